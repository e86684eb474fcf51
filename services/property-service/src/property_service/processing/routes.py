"""Jobs that serve clients, over HTTP."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from property_service.processing import service
from property_service.processing.schemas import (
    AddIn,
    CleanedOut,
    JobStatusOut,
    ProcessIn,
    RetriedOut,
    Started,
)
from property_service.settings import settings_of
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import CurrentUser, Idem, OperatorUser, ReadTx, RuntimeDep, TenantTx

router = APIRouter(prefix="/api", tags=["processing"])

_STARTING = error_responses(401, 403, 404, 409, 422)

Days = Annotated[
    int | None, Query(ge=0, le=3650, description="Of jobs that ended; the default is JOB_CLEANUP_DAYS, 7")
]


@router.post("/process-client", response_model=ApiResponse[Started], responses=_STARTING)
async def process_client(
    body: ProcessIn, user: OperatorUser, tx: TenantTx, rt: RuntimeDep, idem: Idem
) -> ApiResponse[Any] | Response:
    """Assign a report's addresses to a client, in a job; while one is active, that one is the answer.

    Takes an Idempotency-Key.
    """

    async def action() -> ApiResponse[Started]:
        started = await service.start(tx, rt, body.client_id, f"{user.kind}:{user.user_id}")
        return success_response(started, started.message)

    return await idem.run(tx, action)


@router.post("/add-addresses", response_model=ApiResponse[Started], responses=_STARTING)
async def add_addresses(
    body: AddIn, user: OperatorUser, tx: TenantTx, rt: RuntimeDep, idem: Idem
) -> ApiResponse[Any] | Response:
    """Assign further addresses to a client, in a job; while one is active, that one is the answer.

    Takes an Idempotency-Key.
    """

    async def action() -> ApiResponse[Started]:
        started = await service.add(tx, rt, body.client_id, body.count, f"{user.kind}:{user.user_id}")
        return success_response(started, started.message)

    return await idem.run(tx, action)


@router.get("/job-status/{job_id}", responses=error_responses(401, 404, 422))
async def job_status(job_id: UUID, user: CurrentUser, tx: ReadTx) -> ApiResponse[JobStatusOut]:
    """How far a job is, what it came to, and why it failed."""
    return success_response(await service.status(tx, job_id))


@router.post("/process-retry-queue", responses=error_responses(401, 403, 422))
async def process_retry_queue(
    user: OperatorUser,
    rt: RuntimeDep,
    force: Annotated[bool, Query(description="Also those whose next attempt is later")] = False,
) -> ApiResponse[RetriedOut]:
    """Run the jobs whose next attempt is due, and wait up to 20 seconds for their end.

    They run by themselves too; this is for those who want to see it happen, or not to wait (`force`).
    """
    done = await service.retry(rt, user.tenant_id, force=force)
    return success_response(done, f"Processed {done.processed} jobs, {done.failed} failed")


@router.post("/cleanup-jobs", responses=error_responses(401, 403, 422))
async def cleanup_jobs(
    user: OperatorUser, tx: TenantTx, rt: RuntimeDep, older_than_days: Days = None
) -> ApiResponse[CleanedOut]:
    """Delete jobs that ended so many days ago."""
    days = settings_of(rt).job_cleanup_days if older_than_days is None else older_than_days
    cleaned = await service.clean_up(tx, rt, days)
    return success_response(
        CleanedOut(cleaned_jobs=cleaned), f"Cleaned {cleaned} jobs older than {days} days"
    )
