"""Clients over HTTP. All of it needs the role admin, or a key with the scope `admin`."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from property_service.clients import privacy, repository, service
from property_service.clients.schemas import (
    ClientBrief,
    ClientDetail,
    ClientExport,
    ClientIn,
    ClientOut,
    ClientUpdate,
    DeletedClient,
    ErasedClient,
    Status,
)
from property_service.settings import settings_of
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import AdminUser, ReadTx, RuntimeDep, TenantTx

router = APIRouter(prefix="/admin", tags=["clients"])

_ONE = "/client/{client_id}"
_READING = error_responses(401, 403, 404, 422)


@router.post("/clients", status_code=201, responses=error_responses(400, 401, 403, 409, 422))
async def create_client(
    body: ClientIn, user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[ClientOut]:
    """A new client. 409 when another has the e-mail address, 400 for a city that does not exist."""
    return success_response(await service.create(tx, rt, body))


@router.get("/clients", responses=error_responses(401, 403, 422))
async def list_clients(
    user: AdminUser,
    tx: ReadTx,
    rt: RuntimeDep,
    status: Status | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> ApiResponse[list[ClientBrief]]:
    """Newest first."""
    rows, total = await repository.page(tx, user.tenant_id, status, limit, offset)
    clients = [service.brief(row, settings_of(rt)) for row in rows]
    return success_response(clients, meta={"limit": limit, "offset": offset, "total": total})


@router.get(_ONE, responses=_READING)
async def get_client(
    client_id: UUID, user: AdminUser, tx: ReadTx, rt: RuntimeDep
) -> ApiResponse[ClientDetail]:
    """A client with the number of their addresses, their latest jobs and their cities."""
    return success_response(await service.detail(tx, rt, client_id))


@router.put(_ONE, responses=error_responses(400, 401, 403, 404, 409, 422))
async def update_client(
    client_id: UUID, body: ClientUpdate, user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[ClientOut]:
    """Fields that are given change; `seats`, when given, replace all of them."""
    return success_response(await service.update(tx, rt, client_id, body))


@router.delete(_ONE, responses=_READING)
async def delete_client(
    client_id: UUID, user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[DeletedClient]:
    """The client is served no more and their addresses are free. What is kept of them goes with `erase`."""
    await service.delete(tx, rt, client_id)
    return success_response(DeletedClient(client_id=client_id))


@router.get(f"{_ONE}/export", responses=_READING)
async def export_client(
    client_id: UUID, user: AdminUser, tx: ReadTx, rt: RuntimeDep
) -> ApiResponse[ClientExport]:
    """Everything that is kept about a client, also a deleted one (GDPR, articles 15 and 20)."""
    return success_response(await privacy.export(tx, rt, client_id))


@router.post(f"{_ONE}/erase", responses=_READING)
async def erase_client(
    client_id: UUID, user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[ErasedClient]:
    """Take away all that is kept about a client, for good (GDPR, article 17)."""
    return success_response(await privacy.erase(tx, rt, client_id))
