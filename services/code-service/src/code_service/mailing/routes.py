"""Single mails, sent by campaign-service."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from code_service.actor import Operator
from code_service.automation.schemas import JobAccepted
from code_service.mailing.job import SEND
from code_service.mailing.schemas import MailIn
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import Idem, RuntimeDep, SenderUser, TenantTx

router = APIRouter(prefix="/email", tags=["email"])


@router.post(
    "/send",
    status_code=202,
    response_model=ApiResponse[JobAccepted],
    responses=error_responses(401, 403, 409, 422),
)
async def send_email(
    body: MailIn, by: Operator, _: SenderUser, tx: TenantTx, rt: RuntimeDep, idem: Idem
) -> ApiResponse[Any] | Response:
    """Start a job that asks campaign-service to send this mail. Takes an Idempotency-Key."""

    async def accept() -> ApiResponse[Any]:
        payload = {"mail": body.model_dump(mode="json", exclude_unset=True)}
        job = await rt.jobs.enqueue(tx, SEND, payload, tenant_id=by.tenant_id, created_by=by.name)
        return success_response(
            JobAccepted(job_id=job.id, type=job.type, status=job.status, dry_run=body.dry_run)
        )

    return await idem.run(tx, accept, status=202)
