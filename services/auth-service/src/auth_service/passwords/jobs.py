"""Reset mails are made by a job: the request does the same work whether or not the address is known."""

from __future__ import annotations

from typing import cast

from auth_service.context import AuthContext, RequestInfo
from auth_service.passwords import service
from shared.jobs import JobContext, JobSpec, job


@job(service.RESET_JOB, timeout=60, max_attempts=3)
async def send_reset(ctx: JobContext) -> dict[str, bool]:
    """Find the account and send the mail. The result tells nothing about the address."""
    auth = cast(AuthContext, ctx.runtime.extras["auth"])
    origin = RequestInfo(**ctx.payload["origin"])
    async with auth.db.system_tx() as tx:
        await service.send_reset(tx, auth, ctx.payload["email"], origin)
    return {"done": True}


JOBS: list[JobSpec] = [send_reset]
