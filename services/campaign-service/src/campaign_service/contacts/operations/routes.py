"""One thing done to many contacts."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import FileResponse

from campaign_service.contacts.operations import service
from campaign_service.contacts.operations.schemas import OperationAccepted, OperationIn, OperationOut
from shared.errors import NotFoundError
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import OperatorUser, ReadTx, RuntimeDep, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/contacts/{tenant_id}/operations", tags=["contacts"])


@router.post("", status_code=202, responses=error_responses(400, 401, 403, 404, 422))
async def start_operation(
    tenant_id: TenantPath, body: OperationIn, user: OperatorUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[OperationAccepted]:
    """Tag, untag, set the status of, delete, validate or export all contacts of a filter or a segment.

    A job does it in batches, and goes on where it was when it is interrupted; it is cancelled like any job,
    and what is done then stays done.
    """
    return success_response(await service.begin(rt, tx, user.user_id, body))


@router.get("/{operation_id}", responses=error_responses(401, 404, 422))
async def get_operation(tenant_id: TenantPath, operation_id: UUID, tx: ReadTx) -> ApiResponse[OperationOut]:
    return success_response(OperationOut(**await service.get(tx, tenant_id, operation_id)))


@router.get(
    "/{operation_id}/export.csv",
    response_class=FileResponse,
    responses={200: {"content": {"text/csv": {}}}, **error_responses(401, 404, 422)},
)
async def operation_export(tenant_id: TenantPath, operation_id: UUID, tx: ReadTx) -> FileResponse:
    """The file of an export that has ended, for a week, or until a contact is erased who may be in it."""
    found = await service.get(tx, tenant_id, operation_id)
    if found["file_withdrawn_at"] is not None:
        raise NotFoundError("The file was removed because a contact was erased; export again")
    if found["path"] is None or found["status"] != "completed":
        raise NotFoundError("There is no file of this operation")
    return FileResponse(found["path"], media_type="text/csv; charset=utf-8", filename="contacts.csv")
