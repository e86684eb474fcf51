"""SQL of allocation: one statement, in a transaction of its own, is all that a caller waits for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg

from code_service.actor import Actor
from code_service.codes.lifecycle import Status
from code_service.errors import PoolTooSmallError
from shared.database import SimpleDatabase, Tx
from shared.errors import ServiceUnavailableError

_BATCH = (
    *("tenant_id", "type", "pool", "count", "status", "recipient", "reference", "key", "fingerprint"),
    *("reserved_until", "partial", "actor", "request_id", "now"),
)
_EACH = ("status", "recipient", "reference", "key", "fingerprint", "reserved_until", "actor", "request_id")
_ALLOCATE_BATCH = "SELECT * FROM allocate_codes($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
_ALLOCATE_EACH = "SELECT * FROM allocate_each($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
Outcome = Literal["given", "replay", "empty", "busy"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; `status` is where the codes go."""

    tenant_id: UUID
    type: str
    pool: str
    count: int
    status: Status
    recipient: str | None
    reference: str | None
    key: str | None
    fingerprint: str
    reserved_until: datetime | None
    partial: bool
    actor: str
    request_id: str | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """A code as it was taken, or by a replay as it is now; `fingerprint` is of the call that took it.

    Of `empty` and `busy` nothing else is set.
    """

    outcome: Outcome
    id: UUID
    code: str
    status: Status
    allocated_at: datetime | None
    reserved_until: datetime | None
    expires_at: datetime | None
    fingerprint: str


class UnfitWishError(ValueError):
    """A value of a wish is none that Postgres can store."""


async def allocate_each(db: SimpleDatabase, wishes: Sequence[Wish]) -> list[Taken | None]:
    """A code for each wish of one pool, whose `count` is not looked at; in the order of the wishes.

    None stands for a key whose call was undone at this moment: ask again. Raises UnfitWishError.
    """
    first = wishes[0]
    try:
        rows = await db.get_pool().fetch(
            _ALLOCATE_EACH,
            first.tenant_id,
            first.type,
            first.pool,
            max(wish.now for wish in wishes),
            *([getattr(wish, name) for wish in wishes] for name in _EACH),
        )
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        raise UnfitWishError(str(error)) from error
    found: list[Taken | None] = [None] * len(wishes)
    for place, *fields in rows:
        found[place - 1] = Taken(*fields)
    return found


async def allocate_batch(db: SimpleDatabase, wish: Wish) -> list[Taken]:
    """The codes, stored as taken; none when the pool is empty.

    Raises PoolTooSmallError, and ServiceUnavailableError while the last codes are held by others.
    """
    try:
        rows = await db.get_pool().fetch(_ALLOCATE_BATCH, *(getattr(wish, name) for name in _BATCH))
    except asyncpg.NoDataFoundError as error:
        raise PoolTooSmallError(f"The pool {wish.pool} cannot give {wish.count}: {error}") from error
    except (asyncpg.LockNotAvailableError, asyncpg.UniqueViolationError) as error:
        raise ServiceUnavailableError("Others are about to take the last codes") from error
    return [Taken("replay" if replay else "given", *fields) for *fields, replay in rows]


async def some_free(tx: Tx, tenant_id: UUID, code_type: str, pool: str, limit: int = 1000) -> list[str]:
    """Codes that can be given out."""
    rows = await tx.fetch(
        """SELECT code FROM code WHERE tenant_id = $1 AND type = $2 AND pool = $3 AND status = 'available'
           LIMIT $4""",
        tenant_id,
        code_type,
        pool,
        limit,
    )
    return [row["code"] for row in rows]


async def count_free(tx: Tx, tenant_id: UUID, code_type: str, pool: str, most: int) -> int:
    """How many codes can be given out, counted no further than to `most`."""
    sql = """SELECT count(*) FROM (
                 SELECT FROM code WHERE tenant_id = $1 AND type = $2 AND pool = $3 AND status = 'available'
                 LIMIT $4) free"""
    return int(await tx.fetchval(sql, tenant_id, code_type, pool, most))


async def release(
    tx: Tx, by: Actor, *, codes: Sequence[str], reference: str, reason: str | None, now: datetime
) -> int:
    """Put codes back that are held under `reference`; how many."""
    return int(
        await tx.fetchval(
            """WITH held AS (
                   SELECT id, status FROM code
                   WHERE tenant_id = $1 AND code_norm = ANY(ARRAY(SELECT upper(u) FROM unnest($2::text[]) u))
                     AND reference = $3 AND status IN ('allocated', 'reserved')
                   ORDER BY id FOR UPDATE
               ), freed AS (
                   UPDATE code c SET status = 'available', recipient = NULL, reference = NULL,
                          allocated_at = NULL, reserved_until = NULL, updated_at = $7
                   FROM held WHERE c.tenant_id = $1 AND c.id = held.id RETURNING c.id, held.status
               ), noted AS (
                   INSERT INTO code_event (tenant_id, code_id, action, from_status, to_status, reason,
                                           reference, actor, request_id, at)
                   SELECT $1, id, 'release', status, 'available', $4, $3, $5, $6, $7 FROM freed
               )
               SELECT count(*) FROM freed""",
            by.tenant_id,
            list(codes),
            reference,
            reason,
            by.name,
            by.request_id,
            now,
        )
    )


async def lapse(tx: Tx, now: datetime, limit: int) -> int:
    """Put codes back whose reservation is over, over all tenants; how many."""
    return int(
        await tx.fetchval(
            """WITH due AS (
                   SELECT tenant_id, id FROM code WHERE status = 'reserved' AND reserved_until <= $1
                   ORDER BY reserved_until LIMIT $2 FOR UPDATE SKIP LOCKED
               ), freed AS (
                   UPDATE code c SET status = 'available', recipient = NULL, reference = NULL,
                          allocated_at = NULL, reserved_until = NULL, updated_at = $1
                   FROM due WHERE c.tenant_id = due.tenant_id AND c.id = due.id RETURNING c.tenant_id, c.id
               ), noted AS (
                   INSERT INTO code_event (tenant_id, code_id, action, from_status, to_status, actor, at)
                   SELECT tenant_id, id, 'lapse', 'reserved', 'available', 'system:sweeper', $1 FROM freed
               )
               SELECT count(*) FROM freed""",
            now,
            limit,
        )
    )


async def expire(tx: Tx, now: datetime, limit: int) -> int:
    """Take free codes out of the pools whose date has passed, and tell it; how many."""
    return int(
        await tx.fetchval(
            """WITH due AS (
                   SELECT tenant_id, id FROM code
                   WHERE status = 'available' AND expires_at IS NOT NULL AND expires_at <= $1
                   ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
               ), gone AS (
                   UPDATE code c SET status = 'expired', updated_at = $1 FROM due
                   WHERE c.tenant_id = due.tenant_id AND c.id = due.id
                   RETURNING c.tenant_id, c.id, c.code, c.type
               ), noted AS (
                   INSERT INTO code_event (tenant_id, code_id, action, from_status, to_status, actor, at)
                   SELECT tenant_id, id, 'expire', 'available', 'expired', 'system:sweeper', $1 FROM gone
               ), told AS (
                   INSERT INTO outbox (id, tenant_id, type, source, subject, occurred_at, data)
                   SELECT event_id(), tenant_id, 'code.code.expired.v1', '/code-service', id::text, $1,
                          json_build_object('code_id', id, 'code', code, 'type', type, 'occurred_at', $1,
                                            'actor_id', 'system:sweeper')
                   FROM gone
               )
               SELECT count(*) FROM gone""",
            now,
            limit,
        )
    )


async def forget_keys(tx: Tx, before: datetime) -> int:
    """Delete allocation keys from before a time, over all tenants; how many."""
    return await tx.affected("DELETE FROM allocation WHERE created_at < $1", before)
