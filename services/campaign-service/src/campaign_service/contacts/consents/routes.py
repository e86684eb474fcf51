"""What people agreed to, and how that is known."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from campaign_service.contacts import service as contacts
from campaign_service.contacts.consents import repository, service
from campaign_service.contacts.consents.schemas import ConsentIn, ConsentOut
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import OperatorUser, Page, ReadTx, RuntimeDep, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/contacts/{tenant_id}/{contact_id}/consents", tags=["contacts"])


@router.get("", responses=error_responses(400, 401, 404, 422))
async def list_consents(
    tenant_id: TenantPath, contact_id: UUID, page: Page, tx: ReadTx
) -> ApiResponse[list[ConsentOut]]:
    """Everything on record about one person's word, latest first."""
    contact = await contacts.get(tx, tenant_id, contact_id)
    reached = [service.address_of(contact, channel) for channel in ("email", "sms")]
    addresses = [address for address in reached if address is not None]
    rows = await repository.page(tx, tenant_id, contact_id, addresses, page.after, page.fetch_limit)
    return page.respond(rows, lambda row: [row["occurred_at"], row["id"]], lambda row: ConsentOut(**row))


@router.post("", status_code=201, responses=error_responses(400, 401, 403, 404, 422))
async def record_consent(
    tenant_id: TenantPath,
    contact_id: UUID,
    body: ConsentIn,
    user: OperatorUser,
    tx: TenantTx,
    rt: RuntimeDep,
) -> ApiResponse[ConsentOut]:
    """Keep a person's word with its proof. Nothing on record is ever changed.

    `withdrawn` suppresses the address for marketing; `given` lifts an unsubscription, but no bounce and no
    complaint.
    """
    contact = await contacts.get(tx, tenant_id, contact_id)
    consent_id = await service.record(tx, rt, contact, body, user.user_id, rt.clock.now())
    return success_response(ConsentOut(**await repository.get(tx, tenant_id, consent_id)))
