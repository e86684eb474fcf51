"""The day as jobs: of one tenant when asked for, of all of them by the clock."""

from __future__ import annotations

from datetime import date
from typing import Any

from property_service.daily import repository, service
from shared.jobs import JobCancelled, JobContext, LeaseLostError, Schedule, job
from shared.utils.logging import logger

RUN = "daily.run"
SWEEP = "daily.sweep"


@job(RUN, max_attempts=3, backoff=30.0)
async def run(ctx: JobContext) -> dict[str, Any]:
    """A tenant's day; `day` in the payload is the one meant, null for what is due by now."""
    assert ctx.tenant_id is not None
    day = date.fromisoformat(ctx.payload["day"]) if ctx.payload["day"] else None
    report = await service.run_day(ctx.runtime, ctx.tenant_id, day, ctx.progress)
    return report.as_dict()


@job(SWEEP, max_attempts=1)
async def sweep(ctx: JobContext) -> dict[str, Any]:
    """What is due by now, of every tenant."""
    async with ctx.tx() as tx:
        tenants = await repository.tenants(tx)
    failed: list[str] = []
    for tenant_id in tenants:
        ctx.check_cancelled()
        try:
            await service.run_day(ctx.runtime, tenant_id, progress=ctx.progress)
        except (JobCancelled, LeaseLostError):
            raise
        except Exception as error:  # noqa: BLE001  # one tenant's trouble must not keep the others waiting
            logger.exception("a tenant's day failed", tenant_id=str(tenant_id), error=error)
            failed.append(str(tenant_id))
    if failed:
        raise RuntimeError(f"the day failed for {len(failed)} tenant(s): {', '.join(failed)}")
    return {"tenants": len(tenants)}


JOBS = (run, sweep)
#: Time zones differ by quarters of an hour. What was done already costs a look only.
SCHEDULES = (Schedule("daily", "0,15,30,45 * * * *", SWEEP),)
