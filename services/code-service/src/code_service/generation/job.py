"""The job that generates codes, chunk by chunk.

Each chunk is there as a whole, and a job that was killed goes on after its last one.
"""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from code_service.generation import repository
from code_service.generation.patterns import Pattern
from code_service.generation.repository import NewCode
from code_service.generation.schemas import BulkIn
from code_service.generation.service import GENERATE
from shared.errors import PermanentError
from shared.jobs import JobContext, job

#: Small enough that requests that come meanwhile hardly wait.
_CHUNK = 5_000
#: When so many of the drawn codes exist already, the pattern is used up far enough for guessing to succeed.
_MAX_COLLISIONS = 0.2
_TOO_FEW_TO_JUDGE = 50
_MANY = 1000


@job(GENERATE, max_attempts=3, backoff=2.0)
async def generate(ctx: JobContext) -> dict[str, Any]:
    """Make the codes of a batch."""
    bulk = BulkIn.model_validate(ctx.payload["bulk"])
    pattern, batch_id = bulk.compiled(), UUID(ctx.payload["batch_id"])
    async with ctx.tx() as tx:
        batch = await repository.get_batch(tx, tx.tenant, batch_id)
    if batch is None:
        raise PermanentError("the batch is gone")
    made, drawn, collided = batch["made"], 0, 0
    while made < bulk.count:
        await ctx.progress(made, bulk.count)
        size = min(_CHUNK, bulk.count - made)
        new = await _chunk(ctx, batch_id, bulk, pattern, size)
        made, drawn, collided = made + new, drawn + size, collided + size - new
        if drawn >= _TOO_FEW_TO_JUDGE and collided > drawn * _MAX_COLLISIONS:
            raise PermanentError("many codes of this pattern exist already; choose a longer one")
    if made >= _MANY:
        async with ctx.tx() as tx:
            await repository.refresh_statistics(tx)
    await ctx.progress(made, bulk.count)
    return {"batch_id": str(batch_id), "made": made}


async def _chunk(ctx: JobContext, batch_id: UUID, bulk: BulkIn, pattern: Pattern, size: int) -> int:
    drawn = await asyncio.to_thread(pattern.draw, size)
    fields = bulk.model_dump(
        include={"type", "pool", "expires_at", "limit_per_order", "limit_per_ticket", "metadata"}
    )
    codes = [NewCode(code, **fields) for code in drawn]
    by = {"actor": ctx.payload["actor"], "reason": "generated", "request_id": ctx.payload["request_id"]}
    async with ctx.tx() as tx:
        new = await repository.insert_codes(tx, tx.tenant, batch_id, codes, by, ctx.runtime.clock.now())
        await repository.advance(tx, tx.tenant, batch_id, made=len(new))
    return len(new)


JOBS = (generate,)
