"""The job that takes away files nobody needs any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from campaign_service.attachments import repository
from campaign_service.settings import settings_of
from shared.jobs import JobContext, Schedule, job

_BATCH = 500


@job("attachments.sweep", max_attempts=1)
async def sweep_files(ctx: JobContext) -> dict[str, Any]:
    """Files of single messages are kept no longer than they are of use; their names stay for the record."""
    keep = timedelta(days=settings_of(ctx.runtime).message_files_keep_days)
    removed, more = 0, True
    while more:
        async with ctx.tx() as tx:
            gone = await repository.forget_sent(tx, ctx.runtime.clock.now() - keep, _BATCH)
        removed, more = removed + gone, gone == _BATCH
    return {"removed": removed}


JOBS = [sweep_files]
SCHEDULES = [Schedule("attachments.sweep", "04:20", "attachments.sweep")]
