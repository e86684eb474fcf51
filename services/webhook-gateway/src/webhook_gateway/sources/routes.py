"""/webhook-sources"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from shared.errors import NotFoundError
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import AdminUser, CurrentUser, Page, ReadTx, RuntimeDep, TenantTx
from shared.web.runtime import Runtime
from webhook_gateway.sources import repository
from webhook_gateway.sources.schemas import SourceCreated, SourceIn, SourceOut, SourcePatch, SourceType
from webhook_gateway.sources.service import SourceService, to_output

router = APIRouter(prefix="/webhook-sources", tags=["webhook-sources"])


def _service(runtime: Runtime) -> SourceService:
    service: SourceService = runtime.extras["sources"]
    return service


@router.post(
    "",
    status_code=201,
    response_model=ApiResponse[SourceCreated],
    responses=error_responses(401, 403, 409, 422, 429),
)
async def create(
    body: SourceIn, user: AdminUser, tx: TenantTx, runtime: RuntimeDep
) -> ApiResponse[SourceCreated]:
    """Make a source. Its token and signing secret are shown in this answer only."""
    return success_response(await _service(runtime).create(tx, user.tenant_id, body))


@router.get("", response_model=ApiResponse[list[SourceOut]], responses=error_responses(401, 422, 429))
async def list_sources(
    user: CurrentUser,
    tx: ReadTx,
    page: Page,
    type: Annotated[SourceType | None, Query()] = None,  # noqa: A002  # the name in the URL
) -> ApiResponse[list[SourceOut]]:
    """Sources of the tenant, newest first."""
    rows = await repository.page(tx, user.tenant_id, type_=type, after=page.value(0), limit=page.fetch_limit)
    return page.respond(rows, lambda row: [row.id], to_output)


@router.get(
    "/{source_id}", response_model=ApiResponse[SourceOut], responses=error_responses(401, 404, 422, 429)
)
async def get(source_id: UUID, user: CurrentUser, tx: ReadTx) -> ApiResponse[SourceOut]:
    source = await repository.get(tx, user.tenant_id, source_id)
    if source is None:
        raise NotFoundError("No such webhook source")
    return success_response(to_output(source))


@router.patch(
    "/{source_id}",
    response_model=ApiResponse[SourceCreated | SourceOut],
    responses=error_responses(401, 403, 404, 409, 422, 429),
)
async def change(
    source_id: UUID, body: SourcePatch, user: AdminUser, tx: TenantTx, runtime: RuntimeDep
) -> ApiResponse[SourceCreated | SourceOut]:
    """Change a source. With `rotate_token` the answer shows the new token, once."""
    return success_response(await _service(runtime).change(tx, user.tenant_id, source_id, body))


@router.delete("/{source_id}", status_code=204, responses=error_responses(401, 403, 404, 422, 429))
async def delete(source_id: UUID, user: AdminUser, tx: TenantTx) -> None:
    """End a source at once. Its history stays."""
    if not await repository.delete(tx, user.tenant_id, source_id):
        raise NotFoundError("No such webhook source")
