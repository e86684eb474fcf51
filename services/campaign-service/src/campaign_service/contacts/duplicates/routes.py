"""Deduplication of contacts."""

from __future__ import annotations

from fastapi import APIRouter

from campaign_service.contacts.duplicates.job import JOB_TYPE
from campaign_service.contacts.duplicates.schemas import DeduplicateIn, DeduplicationAccepted
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import OperatorUser, RuntimeDep, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/contacts/{tenant_id}", tags=["contacts"])


@router.post("/deduplicate", status_code=202, responses=error_responses(400, 401, 403, 404, 409, 422))
async def deduplicate_contacts(
    tenant_id: TenantPath, body: DeduplicateIn, user: OperatorUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[DeduplicationAccepted]:
    """Find people who are there more than once, in a job; `dry_run`, the default, changes nothing."""
    job = await rt.jobs.enqueue(
        tx,
        JOB_TYPE,
        body.model_dump(),
        tenant_id=tenant_id,
        unique_key="all",
        created_by=str(user.user_id),
    )
    return success_response(DeduplicationAccepted(job_id=job.id, dry_run=body.dry_run))
