"""What happens to codes by time alone: reservations end, dates pass, old keys are forgotten."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

from code_service.allocation import repository
from code_service.settings import settings_of
from shared.jobs import JobContext, Schedule, job
from shared.web import Runtime

_BATCH = 1000
_KEEP_KEYS = timedelta(days=30)


async def run(runtime: Runtime, stop: asyncio.Event) -> None:
    """Sweep all tenants every few seconds until `stop`."""
    while not stop.is_set():
        while await sweep(runtime) and not stop.is_set():
            pass
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), settings_of(runtime).sweep_seconds)


async def sweep(runtime: Runtime) -> bool:
    """One batch of each kind, in a transaction of its own; whether there may be more."""
    now = runtime.clock.now()
    async with runtime.db.system_tx() as tx:
        lapsed = await repository.lapse(tx, now, _BATCH)
    async with runtime.db.system_tx() as tx:
        expired = await repository.expire(tx, now, _BATCH)
    return _BATCH in (lapsed, expired)


@job("codes.forget-keys", timeout=600)
async def forget_keys(ctx: JobContext) -> dict[str, Any]:
    """Forget the idempotency keys of allocations after 30 days."""
    async with ctx.tx() as tx:
        return {"forgotten": await repository.forget_keys(tx, ctx.runtime.clock.now() - _KEEP_KEYS)}


JOBS = (forget_keys,)
SCHEDULES = (Schedule("forget-allocation-keys", "03:50", forget_keys.type),)
