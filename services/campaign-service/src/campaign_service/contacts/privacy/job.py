"""The job behind an erasure: what could not be done at once, and the files that may hold the person."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

from campaign_service.contacts.operations import repository as operations
from campaign_service.contacts.operations.file import remove
from campaign_service.contacts.privacy import service
from campaign_service.netlife import repository as portals
from shared.jobs import JobContext, job


@job(service.JOB_TYPE, max_attempts=10, backoff=5.0)
async def finish_erasure(ctx: JobContext) -> dict[str, Any]:
    """Repeating it changes nothing but the files: those that were made since go too."""
    async with ctx.tx() as tx:
        await service.take_out(tx, UUID(ctx.payload["contact_id"]))
    async with ctx.tx() as tx:
        paths = await operations.withdraw_files(tx, tx.tenant)
        # Before the commit: until then no export begins its file anew under the same name.
        for path in paths:
            await asyncio.to_thread(remove, Path(path))
        collections = await portals.withdraw_files(tx, tx.tenant)
    return {"files_withdrawn": len(paths) + collections}


JOBS = [finish_erasure]
