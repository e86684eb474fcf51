"""Jobs over HTTP, for the tenant they belong to."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from shared.jobs.models import JobOut, LogLine, Status
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web.dependencies import (
    CurrentUser,
    OperatorUser,
    ReadTx,
    RuntimeDep,
    TenantTx,
    tenant_from_path,
)
from shared.web.pagination import Page


def build_router(prefix: str) -> APIRouter:
    guards = [Depends(tenant_from_path)] if "{tenant_id}" in prefix else []
    router = APIRouter(prefix=prefix, tags=["jobs"], dependencies=guards)
    reading, acting = error_responses(401, 404), error_responses(401, 403, 404, 409)
    router.get("", responses=error_responses(400, 401, 404, 422))(list_jobs)
    router.get("/{job_id}", responses=reading)(get_job)
    router.get("/{job_id}/logs", responses=reading)(get_job_logs)
    router.post("/{job_id}/cancel", responses=acting)(cancel_job)
    router.post("/{job_id}/requeue", responses=acting)(requeue_job)
    return router


async def list_jobs(
    user: CurrentUser,
    tx: ReadTx,
    runtime: RuntimeDep,
    page: Page,
    job_type: Annotated[str | None, Query(alias="type", max_length=100)] = None,
    status: Status | None = None,
) -> ApiResponse[list[JobOut]]:
    """Jobs of the tenant, newest first."""
    rows = await runtime.jobs.list(
        tx, user.tenant_id, type=job_type, status=status, before=page.value(0), limit=page.fetch_limit
    )
    return page.respond(rows, key=lambda row: [row.id], convert=JobOut.model_validate)


async def get_job(job_id: UUID, user: CurrentUser, tx: ReadTx, runtime: RuntimeDep) -> ApiResponse[JobOut]:
    """One job with its progress and, at the end, its result or error."""
    return success_response(JobOut.model_validate(await runtime.jobs.get(tx, user.tenant_id, job_id)))


async def get_job_logs(
    job_id: UUID,
    user: CurrentUser,
    tx: ReadTx,
    runtime: RuntimeDep,
    after: Annotated[int, Query(ge=0, description="Number of the last line you have")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> ApiResponse[list[LogLine]]:
    """What the job wrote, in order."""
    lines = await runtime.jobs.logs(tx, user.tenant_id, job_id, after=after, limit=limit)
    return success_response(list(lines))


async def cancel_job(
    job_id: UUID, user: OperatorUser, tx: TenantTx, runtime: RuntimeDep
) -> ApiResponse[JobOut]:
    """Cancel a waiting job at once; ask a running one to stop. 409 when it has ended."""
    return success_response(JobOut.model_validate(await runtime.jobs.cancel(tx, user.tenant_id, job_id)))


async def requeue_job(
    job_id: UUID, user: OperatorUser, tx: TenantTx, runtime: RuntimeDep
) -> ApiResponse[JobOut]:
    """Run a failed or cancelled job again, with fresh attempts. 409 in any other status."""
    return success_response(JobOut.model_validate(await runtime.jobs.requeue(tx, user.tenant_id, job_id)))
