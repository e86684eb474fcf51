"""Photo portals: a tenant's access to them, and collecting their contacts."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from campaign_service.netlife import repository, service
from campaign_service.netlife.schemas import (
    CollectAccepted,
    CollectIn,
    CollectionOut,
    PortalIn,
    PortalName,
    PortalNamed,
    PortalOut,
    PortalsDeleted,
    PortalTested,
)
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import (
    AdminUser,
    OperatorUser,
    Page,
    ReadTx,
    RuntimeDep,
    TenantPath,
    TenantTx,
    require_proven,
)

router = APIRouter(prefix="/api/v2/portals/{tenant_id}/netlife", tags=["portals"])
_READ = error_responses(401, 403, 404, 422)
_WRITE = error_responses(400, 401, 403, 404, 409, 422)


@router.put("/settings", responses=_WRITE)
async def put_settings(
    tenant_id: TenantPath, body: PortalIn, user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[PortalOut]:
    """Store the credentials of one portal, encrypted; they are never given out again."""
    return success_response(await service.put_portal(rt, tx, user.user_id, body))


@router.get("/settings", responses=_READ)
async def get_settings(tenant_id: TenantPath, user: AdminUser, tx: ReadTx) -> ApiResponse[list[PortalOut]]:
    """The portals that have credentials."""
    rows = await repository.portals(tx, tenant_id)
    return success_response([service.portal_out(row) for row in rows])


@router.delete("/settings", responses=_WRITE)
async def delete_settings(
    tenant_id: TenantPath,
    user: AdminUser,
    tx: TenantTx,
    portal: Annotated[PortalName | None, Query(description="Only this one; all when not given")] = None,
) -> ApiResponse[PortalsDeleted]:
    """Forget credentials. What was collected stays."""
    return success_response(PortalsDeleted(deleted=await service.delete_portals(tx, portal)))


@router.post("/settings/test", responses=_WRITE)
async def test_settings(
    tenant_id: TenantPath, body: PortalNamed, user: AdminUser, rt: RuntimeDep
) -> ApiResponse[PortalTested]:
    """Whether the portal answers and takes the stored credentials."""
    async with rt.db.tenant_tx(tenant_id, read_only=True) as tx:
        client = await service.client_for(rt, tx, body.portal, service.TRIAL)
    async with client:
        return success_response(PortalTested(portal=body.portal, ok=await client.test_connection()))


@router.post("/collect", status_code=202, responses=_WRITE)
async def collect(
    tenant_id: TenantPath, body: CollectIn, user: OperatorUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[CollectAccepted]:
    """Collect a portal's contacts in a job; one at a time for a portal."""
    if body.sms_campaign is not None and body.sms_campaign.send:
        require_proven(user, rt)
    return success_response(await service.start(rt, tx, user.user_id, body))


def _out(row: dict[str, Any]) -> CollectionOut:
    return CollectionOut(**row)


@router.get("/collect", responses=error_responses(400, 401, 404, 422))
async def list_collections(tenant_id: TenantPath, page: Page, tx: ReadTx) -> ApiResponse[list[CollectionOut]]:
    """Latest first."""
    rows = await repository.collections(tx, tenant_id, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["id"]], _out)


@router.get("/collect/{collect_job_id}", responses=error_responses(401, 404, 422))
async def get_collection(
    tenant_id: TenantPath, collect_job_id: UUID, tx: ReadTx
) -> ApiResponse[CollectionOut]:
    """State and figures; cancel it by its job."""
    return success_response(_out(await service.get(tx, collect_job_id)))


# Two paths for one thing: the API's description can be read as either.
@router.get(
    "/collect/{collect_job_id}/contacts.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}}, **error_responses(401, 403, 404, 409, 422)},
)
@router.get(
    "/{collect_job_id}/contacts.csv",
    name="collected_csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}}, **error_responses(401, 403, 404, 409, 422)},
)
async def contacts_csv(
    tenant_id: TenantPath, collect_job_id: UUID, user: OperatorUser, tx: ReadTx, rt: RuntimeDep
) -> StreamingResponse:
    """What was collected, as CSV of 28 columns. 409 until the job has ended."""
    await service.require_csv(tx, collect_job_id)
    return StreamingResponse(
        service.csv_stream(rt.db, tenant_id, collect_job_id),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="contacts.csv"'},
    )
