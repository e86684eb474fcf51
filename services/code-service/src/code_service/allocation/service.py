"""Giving codes out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import orjson

from code_service.actor import Actor
from code_service.allocation import repository
from code_service.allocation.desk import desk_of
from code_service.allocation.repository import Taken, Wish
from code_service.allocation.schemas import AllocatedBatch, AllocatedCode, BatchIn, InternalReleaseIn
from code_service.codes.lifecycle import Status
from code_service.codes.schemas import CodeType
from code_service.errors import PoolExhaustedError
from shared.errors import UnprocessableError
from shared.web import Runtime


class IdempotencyKeyReused(UnprocessableError):  # noqa: N818  # named for its code
    code = "IDEMPOTENCY_KEY_REUSED"


@dataclass(frozen=True, slots=True)
class Given:
    """The codes of a request, `is_replay` when an earlier one with the same key got them."""

    codes: Sequence[AllocatedCode]
    is_replay: bool

    def batch(self, wanted: int) -> AllocatedBatch:
        return AllocatedBatch(codes=list(self.codes), missing=wanted - len(self.codes))


async def allocate(rt: Runtime, by: Actor, body: BatchIn, key: str | None) -> Given:
    """Take codes for good. Raises PoolExhaustedError (404) when there is none, PoolTooSmallError (409) when
    there are too few, IdempotencyKeyReused (422) for a key that came with another request.
    """
    wish = _wish(rt, by, body, key)
    if body.count == 1:
        one = await desk_of(rt).take(wish)
        taken = [one] if one else []
    else:
        taken = await repository.allocate_batch(rt.db, wish)
    if not taken:
        raise PoolExhaustedError(f"The pool {body.pool} has no free code of the type {body.type}")
    if taken[0].fingerprint != wish.fingerprint:
        raise IdempotencyKeyReused("This idempotency key was used with another request")
    return Given([_shown(code) for code in taken], taken[0].outcome == "replay")


async def release(rt: Runtime, by: Actor, body: InternalReleaseIn) -> int:
    """Free the codes that are still held under the order; how many. Repeating it takes nobody's code away."""
    async with rt.db.tenant_tx(by.tenant_id) as tx:
        return await repository.release(
            tx, by, codes=body.codes, reference=body.order_id, reason=body.reason, now=rt.clock.now()
        )


async def longest(rt: Runtime, tenant_id: UUID, code_type: CodeType, pool: str) -> str | None:
    """The longest of the first free codes of a pool; None when it has none."""
    async with rt.db.tenant_tx(tenant_id, read_only=True) as tx:
        return max(await repository.some_free(tx, tenant_id, code_type, pool), key=len, default=None)


async def count_free(rt: Runtime, tenant_id: UUID, code_type: CodeType, pool: str, most: int) -> int:
    """How many codes of a pool are free, counted no further than to `most`."""
    async with rt.db.tenant_tx(tenant_id, read_only=True) as tx:
        return await repository.count_free(tx, tenant_id, code_type, pool, most)


def _wish(rt: Runtime, by: Actor, body: BatchIn, key: str | None) -> Wish:
    now = rt.clock.now()
    status: Status = "used" if body.mark_used else "reserved" if body.ttl_seconds else "allocated"
    return Wish(
        tenant_id=by.tenant_id,
        type=body.type,
        pool=body.pool,
        count=body.count,
        status=status,
        recipient=body.recipient,
        reference=body.order_id,
        key=key,
        fingerprint=_fingerprint(by, body),
        reserved_until=now + timedelta(seconds=body.ttl_seconds) if body.ttl_seconds else None,
        partial=body.partial,
        actor=by.name,
        request_id=by.request_id,
        now=now,
    )


def _fingerprint(by: Actor, body: BatchIn) -> str:
    asked = body.model_dump(exclude={"tenant_id", "idempotency_key"})
    return hashlib.sha256(orjson.dumps([by.name, asked])).hexdigest()


def _shown(code: Taken) -> AllocatedCode:
    return AllocatedCode(
        code=code.code,
        id=code.id,
        allocated_at=code.allocated_at,
        status=code.status,
        reserved_until=code.reserved_until,
        expires_at=code.expires_at,
    )
