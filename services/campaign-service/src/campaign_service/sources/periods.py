"""Sources that are read by themselves: a sync a period, by whichever process is first."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from campaign_service.sources import repository, service
from shared.errors import AppError
from shared.jobs import JobContext, Schedule, job
from shared.utils import logger
from shared.web import Runtime

_EVERY_SECONDS = 60
_MOST = 500


@job("sources.sync.due", max_attempts=1)
async def start_due(ctx: JobContext) -> dict[str, Any]:
    """Start the syncs that are due, of all tenants."""
    now = ctx.runtime.clock.now()
    async with ctx.tx() as tx:
        due = await repository.due(tx, now, _MOST)
    started = 0
    for tenant_id, source_id in due:
        ctx.check_cancelled()
        started += await start_one(ctx.runtime, tenant_id, source_id)
    return {"due": len(due), "started": started}


async def start_one(rt: Runtime, tenant_id: UUID, source_id: UUID) -> bool:
    """Start one sync and move its time on; False when another process did, or when it cannot be started.

    A source that is still being read, or that lacks something, is tried again a period later.
    """
    async with rt.db.tenant_tx(tenant_id) as tx:
        user_id = await repository.take_due(tx, tenant_id, source_id, rt.clock.now())
        if user_id is None:
            return False
        savepoint = await tx.savepoint()
        try:
            await service.sync(rt, tx, user_id, source_id, force=False)
        except AppError as error:
            await savepoint.rollback()
            logger.warning("a source was not read by itself", source_id=str(source_id), error=error.message)
            return False
        await savepoint.commit()
        return True


JOBS = [start_due]
SCHEDULES = [Schedule("sources.sync.due", _EVERY_SECONDS, "sources.sync.due")]
