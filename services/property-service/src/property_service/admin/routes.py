"""Administration over HTTP: all of it needs the role admin."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from property_service.admin import health, service, trial_mails
from property_service.admin.schemas import (
    DeletedJobsOut,
    HealthOut,
    JobRow,
    StatsOut,
    TrialMailIn,
    TrialMailOut,
    TrialProcessingIn,
    TrialProcessingOut,
)
from property_service.processing import service as processing
from property_service.processing.schemas import JobStatus
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import AdminUser, Idem, ReadTx, RuntimeDep, TenantTx

router = APIRouter(prefix="/admin", tags=["administration"])


@router.get("/health", responses=error_responses(401, 403))
async def admin_health(user: AdminUser, rt: RuntimeDep) -> ApiResponse[HealthOut]:
    """Whether database, event bus and mail server work, asked now. 200 all the same: see `status`."""
    return success_response(await health.check(rt, user.tenant_id))


@router.get("/stats", responses=error_responses(401, 403))
async def admin_stats(user: AdminUser, tx: ReadTx) -> ApiResponse[StatsOut]:
    """Clients, properties, assignments and jobs in numbers."""
    return success_response(await service.stats(tx))


@router.get("/jobs", responses=error_responses(401, 403, 422))
async def admin_jobs(
    user: AdminUser,
    tx: ReadTx,
    status: JobStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> ApiResponse[list[JobRow]]:
    """Jobs that serve clients, latest first."""
    return success_response(await service.job_rows(tx, status, limit, offset))


@router.post(
    "/test-email",
    response_model=ApiResponse[TrialMailOut],
    responses=error_responses(401, 403, 409, 422),
)
async def test_email(
    body: TrialMailIn, user: AdminUser, rt: RuntimeDep, idem: Idem
) -> ApiResponse[Any] | Response:
    """Send a mail with invented content, in the tenant's brand. Takes an Idempotency-Key."""
    # Asked before the transaction begins: an answer can take seconds.
    server = await health.mail_server(rt)
    async with rt.db.tenant_tx(user.tenant_id) as tx:

        async def action() -> ApiResponse[TrialMailOut]:
            sent = await trial_mails.send(tx, rt, body.template_type, body.recipient, server)
            return success_response(sent, sent.message)

        return await idem.run(tx, action)


@router.post(
    "/test-client-processing",
    response_model=ApiResponse[TrialProcessingOut],
    responses=error_responses(401, 403, 404, 409, 422),
)
async def test_client_processing(
    body: TrialProcessingIn, user: AdminUser, tx: TenantTx, rt: RuntimeDep, idem: Idem
) -> ApiResponse[Any] | Response:
    """Assign addresses to a client and mail them, at once and without fetching sales.

    Takes an Idempotency-Key.
    """

    async def action() -> ApiResponse[TrialProcessingOut]:
        done = await service.try_processing(tx, rt, body)
        return success_response(done, done.message)

    return await idem.run(tx, action)


@router.delete("/jobs/cleanup", responses=error_responses(401, 403, 422))
async def clean_up_jobs(
    user: AdminUser,
    tx: TenantTx,
    rt: RuntimeDep,
    older_than_days: Annotated[int, Query(ge=0, le=3650)] = 30,
) -> ApiResponse[DeletedJobsOut]:
    """Delete jobs that ended so many days ago."""
    deleted = await processing.clean_up(tx, rt, older_than_days)
    return success_response(
        DeletedJobsOut(deleted_jobs=deleted), f"Deleted {deleted} jobs older than {older_than_days} days"
    )
