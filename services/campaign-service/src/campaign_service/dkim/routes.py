"""A tenant's sending domains."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import AdminUser, OperatorUser, Page, ReadTx, RuntimeDep, TenantPath, TenantTx

from . import repository, service
from .schemas import DomainIn, DomainOut, DomainUpdate, VerifiedOut

router = APIRouter(prefix="/api/v2/sending/{tenant_id}/domains", tags=["sending"])
_ONE = error_responses(401, 403, 404, 422)


@router.get("", responses=error_responses(400, 401, 403, 404, 422))
async def list_domains(
    tenant_id: TenantPath, user: OperatorUser, page: Page, tx: ReadTx
) -> ApiResponse[list[DomainOut]]:
    """By name, with the records to publish."""
    rows = await repository.page(tx, tenant_id, page.value(0), page.fetch_limit)
    shown = {domain.id: domain for domain in await service.with_keys(tx, rows)}
    return page.respond(rows, lambda row: [row["domain"]], lambda row: shown[row["id"]])


@router.post("", status_code=201, responses=error_responses(401, 403, 404, 409, 422))
async def create_domain(
    tenant_id: TenantPath, body: DomainIn, user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[DomainOut]:
    """Makes an RSA and an Ed25519 key. Publish their records, then have them verified."""
    return success_response(await service.create(tx, rt, body))


@router.get("/{domain_id}", responses=_ONE)
async def get_domain(
    tenant_id: TenantPath, domain_id: UUID, user: OperatorUser, tx: ReadTx
) -> ApiResponse[DomainOut]:
    """With the records to publish."""
    return success_response(await service.get(tx, domain_id))


@router.put("/{domain_id}", responses=error_responses(401, 403, 404, 409, 422))
async def update_domain(
    tenant_id: TenantPath, domain_id: UUID, body: DomainUpdate, user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[DomainOut]:
    """A new selector makes new keys; leave the records of the old ones published for some days."""
    return success_response(await service.update(tx, rt, domain_id, body))


@router.delete("/{domain_id}", status_code=204, responses=_ONE)
async def delete_domain(tenant_id: TenantPath, domain_id: UUID, user: AdminUser, tx: TenantTx) -> None:
    """With its keys: mails that start from then on are not signed."""
    await service.delete(tx, domain_id)


@router.post("/{domain_id}/verify", responses=_ONE)
async def verify_domain(
    tenant_id: TenantPath, domain_id: UUID, user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[VerifiedOut]:
    """Asks the DNS whether the records are published. A key that is published signs."""
    return success_response(await service.verify(tx, rt, domain_id))
