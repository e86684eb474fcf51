"""HTTP of judging again."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from campaign_service.campaigns import service as campaigns
from campaign_service.tracking.rejudging import job
from shared.models import ApiResponse, error_responses, success_response
from shared.web import OperatorUser, RuntimeDep, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2", tags=["tracking"])
_WRITE = error_responses(401, 403, 404, 409, 422)


class RejudgingAccepted(BaseModel):
    """The job's result has the number of people looked at and of verdicts that changed."""

    job_id: UUID
    status: str = "pending"


@router.post("/campaigns/{tenant_id}/{campaign_id}/recompute-verdicts", status_code=202, responses=_WRITE)
async def recompute_campaign(
    tenant_id: TenantPath, campaign_id: UUID, user: OperatorUser, tx: TenantTx, runtime: RuntimeDep
) -> ApiResponse[RejudgingAccepted]:
    """Judge a campaign's opens and clicks again, in a job: by today's rules and all that is known by now.

    The figures change by the difference. A campaign has one such job at a time.
    """
    await campaigns.get(tx, tenant_id, campaign_id)
    job_id = await job.enqueue(runtime, tx, campaign_id=campaign_id, created_by=user.user_id)
    return success_response(RejudgingAccepted(job_id=job_id))


@router.post("/stats/{tenant_id}/recompute-verdicts", status_code=202, responses=_WRITE)
async def recompute_all(
    tenant_id: TenantPath, user: OperatorUser, tx: TenantTx, runtime: RuntimeDep
) -> ApiResponse[RejudgingAccepted]:
    """The same for all campaigns, one after the other."""
    job_id = await job.enqueue(runtime, tx, created_by=user.user_id)
    return success_response(RejudgingAccepted(job_id=job_id))
