"""SQL of the bus inside Postgres, for system transactions: their role may use the bus."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg
from asyncpg import Record

from shared.database.tx import Tx
from shared.events.envelope import Event
from shared.events.repository import columns, trust_indexes
from shared.events.transports.base import EventNotTakenError

# What is wrong with a row, not with the server.
_REFUSALS = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)

_EVENT = "e.id, e.tenant_id, e.type, e.source, e.subject, e.occurred_at, e.traceparent, e.correlation_id"

_PUBLISH = f"""
WITH incoming AS (
    SELECT {_EVENT}, e.data
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[],
                $8::text[], $9::text[])
         AS e (id, tenant_id, type, source, subject, occurred_at, data, traceparent, correlation_id)
), fanned AS (
    INSERT INTO bus.delivery (subscriber, event_id)
    SELECT s.subscriber, i.id FROM incoming i JOIN bus.subscription s ON s.type = i.type
    ON CONFLICT DO NOTHING
    RETURNING event_id
)
INSERT INTO bus.event (id, tenant_id, type, source, subject, occurred_at, data, traceparent, correlation_id)
SELECT id, tenant_id, type, source, subject, occurred_at, data::json, traceparent, correlation_id
FROM incoming WHERE id IN (SELECT event_id FROM fanned)
ON CONFLICT DO NOTHING
"""

_CLAIM = f"""
WITH due AS (
    SELECT d.subscriber, d.event_id
    FROM unnest($1::text[], $2::int[]) AS s (subscriber, room)
    CROSS JOIN LATERAL (
        SELECT subscriber, event_id FROM bus.delivery
        WHERE subscriber = s.subscriber AND dead_at IS NULL AND available_at <= now()
        ORDER BY available_at LIMIT s.room FOR UPDATE SKIP LOCKED
    ) AS d
), taken AS (
    UPDATE bus.delivery d SET available_at = now() + make_interval(secs => $3), claims = d.claims + 1
    FROM due WHERE d.subscriber = due.subscriber AND d.event_id = due.event_id
    RETURNING d.subscriber, d.event_id, d.attempt, d.claims
)
SELECT t.subscriber, t.attempt, t.claims, {_EVENT}, e.data::text AS data
FROM taken t JOIN bus.event e ON e.id = t.event_id
"""

_DEAD = f"""
SELECT d.subscriber, d.attempt, d.error, d.dead_at, {_EVENT}, e.data::text AS data
FROM bus.delivery d JOIN bus.event e ON e.id = d.event_id
WHERE d.subscriber = $1 AND d.dead_at IS NOT NULL
ORDER BY d.dead_at LIMIT $2
"""


async def subscribe(tx: Tx, subscriber: str, types: Sequence[str]) -> None:
    """Make the subscription exactly these types."""
    await tx.execute(
        "DELETE FROM bus.subscription WHERE subscriber = $1 AND type <> ALL($2::text[])",
        subscriber,
        list(types),
    )
    await tx.execute(
        "INSERT INTO bus.subscription (subscriber, type) SELECT $1, unnest($2::text[])"
        " ON CONFLICT DO NOTHING",
        subscriber,
        list(types),
    )


async def publish(tx: Tx, events: Sequence[Event]) -> None:
    """Store events that have subscribers, with one delivery for each of them.

    Raises `EventNotTakenError` when the tables refuse one of them; the transaction is then broken.
    """
    try:
        await tx.execute(_PUBLISH, *columns(events))
    except _REFUSALS as error:
        raise EventNotTakenError(f"Postgres refused an event: {error}") from error


async def claim(tx: Tx, room: dict[str, int], lease_seconds: float) -> list[Record]:
    """Take due deliveries, at most `room[subscriber]` of each; they are due again when the lease ends."""
    await trust_indexes(tx)
    return await tx.fetch(_CLAIM, list(room), list(room.values()), lease_seconds)


async def extend(tx: Tx, subscriber: str, event_ids: Sequence[UUID], lease_seconds: float) -> None:
    await tx.execute(
        "UPDATE bus.delivery SET available_at = now() + make_interval(secs => $3)"
        " WHERE subscriber = $1 AND event_id = ANY($2::uuid[]) AND dead_at IS NULL",
        subscriber,
        list(event_ids),
        lease_seconds,
    )


async def release(tx: Tx, subscriber: str, event_ids: Sequence[UUID]) -> None:
    """Give back deliveries that were taken and not begun."""
    await tx.execute(
        "UPDATE bus.delivery SET available_at = now(), claims = claims - 1"
        " WHERE subscriber = $1 AND event_id = ANY($2::uuid[]) AND dead_at IS NULL",
        subscriber,
        list(event_ids),
    )


async def finish(tx: Tx, pairs: Sequence[tuple[str, UUID]]) -> None:
    await trust_indexes(tx)
    await tx.execute(
        "DELETE FROM bus.delivery d USING unnest($1::text[], $2::uuid[]) AS done (subscriber, event_id)"
        " WHERE d.subscriber = done.subscriber AND d.event_id = done.event_id",
        [subscriber for subscriber, _ in pairs],
        [event_id for _, event_id in pairs],
    )


async def retry(tx: Tx, subscriber: str, event_id: UUID, delay: float, error: str) -> None:
    await tx.execute(
        "UPDATE bus.delivery SET attempt = attempt + 1, claims = 0, error = $4,"
        " available_at = now() + make_interval(secs => $3) WHERE subscriber = $1 AND event_id = $2",
        subscriber,
        event_id,
        delay,
        error,
    )


async def bury(tx: Tx, subscriber: str, event_id: UUID, error: str) -> None:
    await tx.execute(
        "UPDATE bus.delivery SET attempt = attempt + 1, error = $3, dead_at = now()"
        " WHERE subscriber = $1 AND event_id = $2",
        subscriber,
        event_id,
        error,
    )


async def dead_letters(tx: Tx, subscriber: str, limit: int) -> list[Record]:
    return await tx.fetch(_DEAD, subscriber, limit)


async def replay(tx: Tx, subscriber: str, event_id: UUID) -> bool:
    changed = await tx.affected(
        "UPDATE bus.delivery SET dead_at = NULL, error = NULL, attempt = 0, claims = 0, available_at = now()"
        " WHERE subscriber = $1 AND event_id = $2 AND dead_at IS NOT NULL",
        subscriber,
        event_id,
    )
    return changed == 1


async def forget_done(tx: Tx, older_than_seconds: float, limit: int = 5_000) -> int:
    """Delete up to `limit` events that every subscriber is done with; how many there were."""
    await trust_indexes(tx)
    return await tx.affected(
        "DELETE FROM bus.event WHERE id = ANY (ARRAY(SELECT e.id FROM bus.event e"
        " WHERE e.stored_at < now() - make_interval(secs => $1)"
        " AND NOT EXISTS (SELECT 1 FROM bus.delivery d WHERE d.event_id = e.id) ORDER BY e.stored_at LIMIT $2"
        " FOR UPDATE SKIP LOCKED))",
        older_than_seconds,
        limit,
    )
