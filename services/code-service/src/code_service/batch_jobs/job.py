"""The daily job that removes the files of jobs that are no longer on record."""

from __future__ import annotations

import asyncio
import time
from itertools import islice
from pathlib import Path
from uuid import UUID

from code_service.batch_jobs import repository
from code_service.batch_jobs.files import JobFiles, stored_jobs, sweep_incoming
from code_service.settings import settings_of
from shared.jobs import JobContext, Schedule, job

_BATCH = 1000
#: A folder is made before its job is stored.
_YOUNG_SECONDS = 86_400


@job("batch_jobs.forget_files", max_attempts=1)
async def forget_files(ctx: JobContext) -> dict[str, int]:
    """Remove what jobs left behind that retention has removed, and uploads that became no job."""
    data_dir = settings_of(ctx.runtime).data_dir
    stored, removed = stored_jobs(data_dir), 0
    while batch := await asyncio.to_thread(lambda: list(islice(stored, _BATCH))):
        ctx.check_cancelled()
        async with ctx.tx() as tx:
            known = await repository.known(tx, [job_id for _, job_id in batch])
        gone = [pair for pair in batch if pair[1] not in known]
        removed += await asyncio.to_thread(_remove, data_dir, gone)
    dropped = await asyncio.to_thread(sweep_incoming, data_dir, time.time() - _YOUNG_SECONDS)
    return {"removed": removed, "dropped": dropped}


def _remove(data_dir: Path, jobs: list[tuple[UUID, UUID]]) -> int:
    old = 0
    for tenant_id, job_id in jobs:
        files = JobFiles(data_dir, tenant_id, job_id)
        if files.folder.stat().st_mtime < time.time() - _YOUNG_SECONDS:
            files.remove()
            old += 1
    return old


JOBS = (forget_files,)
SCHEDULES = (Schedule("batch_jobs.forget_files", "04:10", "batch_jobs.forget_files"),)
