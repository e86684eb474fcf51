"""Many codes at once, and what became of them."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from code_service.actor import Operator
from code_service.generation import repository, service
from code_service.generation.schemas import BatchAccepted, BatchOut, BulkIn, RejectionOut
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import CurrentUser, Page, ReadTx, RuntimeDep, TenantTx

router = APIRouter(prefix="/codes", tags=["batches"])


@router.post("/bulk", status_code=202, responses=error_responses(400, 401, 403, 422))
async def generate_codes(
    body: BulkIn, by: Operator, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[BatchAccepted]:
    """Generate up to a million codes in a job. 400 when the pattern has too few, or they could be guessed."""
    return success_response(await service.accept(tx, rt, by, body))


@router.get("/batches/{batch_id}", responses=error_responses(401, 404, 422))
async def get_batch(batch_id: UUID, user: CurrentUser, tx: ReadTx) -> ApiResponse[BatchOut]:
    """How many codes were made and, of a file, how many rows were not."""
    found = await service.get_batch(tx, user.tenant_id, batch_id)
    return success_response(BatchOut(**{name: found[name] for name in BatchOut.model_fields}))


@router.get("/batches/{batch_id}/rejections", responses=error_responses(400, 401, 404, 422))
async def list_rejections(
    batch_id: UUID, user: CurrentUser, page: Page, tx: ReadTx
) -> ApiResponse[list[RejectionOut]]:
    """Rows that became no code, with line and reason, in the order of the file."""
    await service.get_batch(tx, user.tenant_id, batch_id)
    rows = await repository.rejections(tx, user.tenant_id, batch_id, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["line_number"]], lambda row: RejectionOut(**row))
