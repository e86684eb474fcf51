"""Assigned properties over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from property_service.assignments import service
from property_service.assignments.schemas import ClientProperties, NotesIn, PropertyDetail, ResetOut
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import AdminUser, CurrentUser, OperatorUser, ReadTx, RuntimeDep, TenantTx

router = APIRouter(tags=["assignments"])

#: Whoever shows the data says where it is from (Licence Ouverte 2.0).
SOURCE = "Demandes de valeurs foncières (DVF), DGFiP, Licence Ouverte 2.0"
_PROPERTY = "/api/client-properties/{client_id}/{address_id}"


@router.get("/api/get-client-properties/{client_id}", responses=error_responses(401, 404, 422))
async def get_client_properties(
    client_id: UUID,
    user: CurrentUser,
    tx: ReadTx,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> ApiResponse[ClientProperties]:
    """The addresses a client was given, latest first."""
    shown, data_of = await service.listed(tx, client_id, limit, offset)
    meta = {"limit": limit, "offset": offset, "source": SOURCE, "data_of": data_of}
    return success_response(shown, meta=meta)


@router.get(_PROPERTY, responses=error_responses(401, 404, 422))
async def get_client_property(
    client_id: UUID, address_id: UUID, user: CurrentUser, tx: ReadTx
) -> ApiResponse[PropertyDetail]:
    """One of them with all that is noted about it."""
    return success_response(await service.get(tx, client_id, address_id), meta={"source": SOURCE})


@router.patch(_PROPERTY, responses=error_responses(401, 403, 404, 422))
async def note_client_property(
    client_id: UUID, address_id: UUID, body: NotesIn, user: OperatorUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[PropertyDetail]:
    """Say how far the client is with an address, and what they found out. Fields that are given change."""
    noted = await service.note(tx, rt, client_id, address_id, body)
    return success_response(noted, meta={"source": SOURCE})


@router.post("/admin/client/{client_id}/reset-assignments", responses=error_responses(401, 403, 404, 422))
async def reset_assignments(client_id: UUID, user: AdminUser, tx: TenantTx) -> ApiResponse[ResetOut]:
    """Forget all that a client was given, for tests: the same addresses may come again."""
    deleted = await service.reset(tx, client_id)
    return success_response(ResetOut(deleted_assignments=deleted), f"Reset {deleted} assignments for client")
