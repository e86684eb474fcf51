"""The daily run over HTTP, for whoever has a cron of their own."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from property_service.daily.job import RUN
from property_service.daily.schemas import DayIn, DayStarted, NamedDay
from property_service.processing.service import IN_PROGRESS
from shared.jobs import JobAlreadyActive
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import OperatorUser, RuntimeDep, TenantTx

router = APIRouter(prefix="/api/run-daily", tags=["daily"])


@router.post("", responses=error_responses(401, 403, 422))
async def run_daily(
    user: OperatorUser,
    tx: TenantTx,
    rt: RuntimeDep,
    named: Annotated[
        NamedDay | None, Query(alias="date", description="The day meant; without it, what is due by now")
    ] = None,
    body: DayIn | None = None,
) -> ApiResponse[DayStarted]:
    """Announce tomorrow's reports, start today's and run failed jobs whose time has come, in a job.

    Can be called as often as one likes: each client is noticed and served once a month.
    """
    day = named or (body.date if body else None)
    payload = {"day": day.isoformat() if day else None}
    try:
        job = await rt.jobs.enqueue(
            tx,
            RUN,
            payload,
            tenant_id=user.tenant_id,
            unique_key=f"daily:{day or 'now'}",
            created_by=f"{user.kind}:{user.user_id}",
        )
    except JobAlreadyActive as active:
        return success_response(DayStarted(job_id=active.job_id, message=IN_PROGRESS), IN_PROGRESS)
    return success_response(DayStarted(job_id=job.id, message="The day has begun"), "The day has begun")
