"""What warm-up does by itself: judge, and forget."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shared.jobs import JobContext, Schedule, job

from . import repository, service
from .hosting import job as hosting

_LONGEST_WINDOW = timedelta(days=100)


@job("warmup.judge", max_attempts=1, timeout=300)
async def judge(ctx: JobContext) -> dict[str, Any]:
    """Stop or warn the plans whose mails bounce or are complained of too often."""
    rt, stopped = ctx.runtime, 0
    async with rt.db.system_tx() as tx:
        tenants = await repository.tenants(tx)
    for tenant_id in sorted(tenants):
        async with rt.db.tenant_tx(tenant_id) as tx:
            judged = await service.judge_plans(tx, rt.clock.now())
        stopped += sum(judgement.stop is not None for judgement in judged)
    return {"tenants": len(tenants), "stopped": stopped}


@job("warmup.forget", max_attempts=1)
async def forget(ctx: JobContext) -> dict[str, Any]:
    """Delete the places of days that no rule looks at any more."""
    async with ctx.tx() as tx:
        day = (ctx.runtime.clock.now() - _LONGEST_WINDOW).date()
        return {"deleted": await repository.forget_before(tx, day)}


JOBS = (judge, forget, *hosting.JOBS)
SCHEDULES = (
    *hosting.SCHEDULES,
    Schedule("warmup.judge", 60, judge.type),
    Schedule("warmup.forget", "03:30", forget.type),
)
