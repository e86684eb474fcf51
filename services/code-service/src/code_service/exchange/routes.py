"""Codes out of files and into files."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Annotated, Any, BinaryIO
from uuid import UUID

from fastapi import APIRouter, Depends, File, Form, Query, UploadFile
from fastapi.responses import FileResponse, StreamingResponse
from starlette.background import BackgroundTask

from code_service.actor import Operator
from code_service.codes.lifecycle import Status
from code_service.codes.schemas import CodeType, Moment, Pool
from code_service.exchange.export import export_csv, export_xlsx
from code_service.exchange.files import open_table
from code_service.exchange.job import IMPORT
from code_service.exchange.rows import rows_of
from code_service.exchange.table import UnreadableFileError
from code_service.generation import service
from code_service.generation.schemas import BatchAccepted
from code_service.settings import settings_of
from shared.errors import ValidationError
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.utils import uuid7
from shared.web import CurrentUser, RuntimeDep, TenantTx

router = APIRouter(prefix="/codes", tags=["exchange"])

#: The upload has a body limit of its own: this path, and room for the form around the file.
IMPORT_PATH = r"^/codes/import$"
FORM_OVERHEAD = 1024 * 1024
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@router.post("/import", status_code=202, responses=error_responses(400, 401, 403, 413, 422))
async def import_codes(
    file: Annotated[UploadFile, File(description="CSV or XLSX with a header; the column code is needed")],
    by: Operator,
    tx: TenantTx,
    rt: RuntimeDep,
    code_type: Annotated[CodeType, Form(alias="type")] = "discount",
    pool: Annotated[Pool, Form()] = "default",
    expires_at: Annotated[Moment | None, Form()] = None,
) -> ApiResponse[BatchAccepted]:
    """Upload a file of codes; a job reads it. Type, pool and date hold for rows that name none.

    Columns: code, type, pool, expires_at, limit_per_order, limit_per_ticket; others become metadata.
    """
    batch_id = uuid7()
    path = settings_of(rt).data_dir / "imports" / str(by.tenant_id) / f"{batch_id}.upload"
    try:
        await asyncio.to_thread(_keep, file.file, path)
        defaults = {
            "type": code_type,
            "pool": pool,
            "expires_at": expires_at.isoformat() if expires_at else None,
        }
        payload = {"path": str(path.resolve()), "defaults": defaults}
        name = "".join(char for char in file.filename or "" if char.isprintable())[:200]
        accepted = await service.start(
            tx, rt, by, IMPORT, payload, kind="import", filename=name, batch_id=batch_id
        )
    except BaseException:
        # Whatever stopped the request: nothing will ask for this file.
        path.unlink(missing_ok=True)
        raise
    return success_response(accepted)


def _keep(source: BinaryIO, path: Path) -> None:
    """Put an upload where its job finds it; raises ValidationError for a file that cannot be read at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as target:
        shutil.copyfileobj(source, target)
    try:
        with open_table(path) as table:
            next(rows_of(table), None)
    except UnreadableFileError as error:
        message = str(error)
        raise ValidationError(message[:1].upper() + message[1:], field="file") from error


async def _filters(
    status: Status | None = None,
    code_type: Annotated[CodeType | None, Query(alias="type")] = None,
    pool: Pool | None = None,
    batch_id: UUID | None = None,
) -> dict[str, Any]:
    return {"status": status, "type": code_type, "pool": pool, "batch_id": batch_id}


Filters = Annotated[dict[str, Any], Depends(_filters)]


@router.get(
    "/export.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}}, **error_responses(401, 422)},
)
async def export_codes(user: CurrentUser, rt: RuntimeDep, filters: Filters) -> StreamingResponse:
    """Codes as CSV (UTF-8 with BOM), newest first. Cells that a spreadsheet would run are made harmless."""
    return StreamingResponse(
        export_csv(rt.db, user.tenant_id, filters, rt.clock.now()),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="codes.csv"'},
    )


@router.get(
    "/export.xlsx",
    response_class=FileResponse,
    responses={200: {"content": {_XLSX: {}}}, **error_responses(401, 422)},
)
async def export_workbook(user: CurrentUser, rt: RuntimeDep, filters: Filters) -> FileResponse:
    """The same as an Excel workbook. All cells are text."""
    folder = settings_of(rt).data_dir / "exports"
    path = await export_xlsx(rt.db, user.tenant_id, filters, rt.clock.now(), folder)
    return FileResponse(
        path, media_type=_XLSX, filename="codes.xlsx", background=BackgroundTask(path.unlink, missing_ok=True)
    )
