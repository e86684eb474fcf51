"""Codes and their transitions."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from code_service.actor import Operator
from code_service.codes import repository, service
from code_service.codes.lifecycle import Status
from code_service.codes.schemas import (
    CodeEventOut,
    CodeIn,
    CodeOut,
    CodeType,
    CodeUpdate,
    Line,
    Moment,
    Part,
    Pool,
    ReasonIn,
    RollbackIn,
    SyncState,
    UseIn,
)
from code_service.links.qr import qr_response
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import CurrentUser, Idem, Page, ReadTx, RuntimeDep, TenantTx

router = APIRouter(prefix="/codes", tags=["codes"])

Code = Annotated[str, Path(max_length=64, description="The code, in any case")]
_ACTING = error_responses(401, 403, 404, 409, 422)


def _out(row: dict[str, Any]) -> CodeOut:
    return CodeOut(**row)


@router.post("", status_code=201, responses=error_responses(401, 403, 409, 422))
async def create_code(body: CodeIn, by: Operator, tx: TenantTx, rt: RuntimeDep) -> ApiResponse[CodeOut]:
    """A new code; 409 when there is one that differs at most in case."""
    return success_response(_out(await service.create(tx, by, body, rt.clock.now())))


@router.get("", responses=error_responses(400, 401, 422))
async def list_codes(
    user: CurrentUser,
    page: Page,
    tx: ReadTx,
    rt: RuntimeDep,
    status: Status | None = None,
    code_type: Annotated[CodeType | None, Query(alias="type")] = None,
    pool: Pool | None = None,
    sync_state: SyncState | None = None,
    batch_id: UUID | None = None,
    created_from: Moment | None = None,
    created_to: Annotated[Moment | None, Query(description="Before this time")] = None,
    recipient: Line | None = None,
    order_id: Line | None = None,
    q: Annotated[Part | None, Query(description="Part of the code, in any case")] = None,
) -> ApiResponse[list[CodeOut]]:
    """Newest first."""
    now = rt.clock.now()
    filters = {
        "status": status,
        "type": code_type,
        "pool": pool,
        "sync_state": sync_state,
        "batch_id": batch_id,
        "created_from": created_from,
        "created_to": created_to,
        "recipient": recipient,
        "reference": order_id,
        "q": q,
    }
    rows = await repository.page(tx, user.tenant_id, filters, now, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["id"]], lambda row: _out(service.present(row, now)))


@router.get("/{code}", responses=error_responses(401, 404, 422))
async def get_code(code: Code, user: CurrentUser, tx: ReadTx, rt: RuntimeDep) -> ApiResponse[CodeOut]:
    return success_response(_out(await service.get(tx, user.tenant_id, code, rt.clock.now())))


@router.put("/{code}", responses=_ACTING)
async def update_code(
    code: Code, body: CodeUpdate, by: Operator, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[CodeOut]:
    """Fields that are given change. Type and pool stay while somebody has the code (409)."""
    return success_response(_out(await service.update(tx, by, code, body, rt.clock.now())))


@router.get("/{code}/events", responses=error_responses(400, 401, 404, 422))
async def list_code_events(
    code: Code, user: CurrentUser, page: Page, tx: ReadTx, rt: RuntimeDep
) -> ApiResponse[list[CodeEventOut]]:
    """Everything that happened to the code, in order: who, when, why."""
    found = await service.get(tx, user.tenant_id, code, rt.clock.now())
    rows = await repository.events(tx, user.tenant_id, found["id"], page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["id"]], lambda row: CodeEventOut(**row))


@router.get(
    "/{code}/qr.svg",
    response_class=Response,
    responses={200: {"content": {"image/svg+xml": {}}}, **error_responses(401, 404, 422)},
)
async def code_qr(code: Code, user: CurrentUser, tx: ReadTx, rt: RuntimeDep) -> Response:
    """The code itself as a QR code, for scanners at a door."""
    found = await service.get(tx, user.tenant_id, code, rt.clock.now())
    return qr_response(found["code"], "svg", 8)


@router.post("/{code}/mark-used", response_model=ApiResponse[CodeOut], responses=_ACTING)
async def mark_code_used(
    code: Code, by: Operator, tx: TenantTx, rt: RuntimeDep, idem: Idem, body: UseIn | None = None
) -> ApiResponse[Any] | Response:
    """Record that the code was redeemed. Of many at once one succeeds; the others get CODE_ALREADY_USED."""
    use = body or UseIn()

    async def act() -> ApiResponse[Any]:
        used = await service.move(
            tx, rt, by, code, "mark_used", reason=use.reason, reference=use.order_id, at=use.used_at
        )
        return success_response(_out(used))

    return await idem.run(tx, act)


@router.post("/{code}/release", responses=_ACTING)
async def release_code(
    code: Code, by: Operator, tx: TenantTx, rt: RuntimeDep, body: ReasonIn | None = None
) -> ApiResponse[CodeOut]:
    """Put a reserved or allocated code back into its pool."""
    reason = body.reason if body else None
    return success_response(_out(await service.move(tx, rt, by, code, "release", reason=reason)))


@router.post("/{code}/revoke", responses=_ACTING)
async def revoke_code(
    code: Code, by: Operator, tx: TenantTx, rt: RuntimeDep, body: ReasonIn | None = None
) -> ApiResponse[CodeOut]:
    """Take a code out for good. A used one stays used (409): roll it back first."""
    reason = body.reason if body else None
    return success_response(_out(await service.move(tx, rt, by, code, "revoke", reason=reason)))


@router.post("/{code}/rollback", responses=_ACTING)
async def roll_back_code(
    code: Code, body: RollbackIn, by: Operator, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[CodeOut]:
    """Undo a use: the code is allocated again. Needs a reason."""
    return success_response(_out(await service.move(tx, rt, by, code, "rollback", reason=body.reason)))
