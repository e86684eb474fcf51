"""Validation of contacts' addresses."""

from __future__ import annotations

from fastapi import APIRouter

from campaign_service.validation.schemas import ValidateIn, ValidationAccepted
from campaign_service.validation.use_cases import ValidateContactsBulkUseCase
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import OperatorUser, RuntimeDep, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/contacts/{tenant_id}", tags=["contacts"])


@router.post("/validate", status_code=202, responses=error_responses(400, 401, 403, 404, 409, 422))
async def validate_contacts(
    tenant_id: TenantPath, body: ValidateIn, user: OperatorUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[ValidationAccepted]:
    """Validate addresses in a job; one at a time for a tenant.

    A score starts at 1.0; a throw-away domain takes 0.5, a role mailbox 0.2, a mistyped domain 0.3. From 0.8
    an address is `valid`, from 0.5 `risky`, below `invalid`. No mail server, or no address at all, is 0.
    Without an answer of the DNS an address that would be valid is `unknown`.
    """
    accepted = await ValidateContactsBulkUseCase(rt).execute(tx, tenant_id, body, user.user_id)
    return success_response(accepted)
