"""The daily job that removes what nobody needs any more from a service's platform tables."""

from __future__ import annotations

from datetime import timedelta

from shared.jobs import repository
from shared.jobs.context import JobContext
from shared.jobs.models import job
from shared.jobs.schedules import Schedule
from shared.utils.clock import Clock

_KEEP = {
    "jobs": timedelta(days=30),
    "schedule_runs": timedelta(days=90),
    "idempotency_keys": timedelta(0),
    "rate_counters": timedelta(days=8),
    "cache_entries": timedelta(0),
}


@job("platform.retention", timeout=1800)
async def forget_old(ctx: JobContext) -> dict[str, int]:
    """Remove finished jobs after 30 days, schedule runs after 90, and what has expired."""
    clock: Clock = ctx.runtime.clock
    removed: dict[str, int] = {}
    for what in repository.RETAINED:
        removed[what] = 0
        batch = -1
        while batch:
            ctx.check_cancelled()
            async with ctx.tx() as tx:
                batch = await repository.forget_old(tx, what, clock.now() - _KEEP[what])
            removed[what] += batch
    return removed


SPECS = (forget_old,)
SCHEDULES = (Schedule("platform.retention", "03:40", "platform.retention"),)
