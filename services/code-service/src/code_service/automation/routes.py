"""Jobs that work on the ticket shop's discount codes, and on files of codes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from code_service.actor import Operator
from code_service.automation import repository, service
from code_service.automation.planning.model import RowState
from code_service.automation.schemas import (
    ConvertIn,
    CreateCodesIn,
    CsvDiffIn,
    JobAccepted,
    RenameCodesIn,
    StepOut,
    UpdateDiscountIn,
)
from code_service.automation.submission import Reader, Submission
from code_service.automation.table_jobs import CONVERT, DIFF
from code_service.settings import settings_of
from shared.models.responses import ApiResponse, error_responses
from shared.web import CurrentUser, Page, ReadTx, RuntimeDep, TenantTx

router = APIRouter(prefix="/automation", tags=["automation"])
rows_router = APIRouter(prefix="/batch-jobs", tags=["jobs"])

#: Paths whose bodies may carry files, and room for the form around them.
UPLOAD_PATHS = r"^/automation/(fienta/(create-codes|rename-codes|update-discount)|csv/diff|xlsx-to-csv)$"
FORM_OVERHEAD = 1024 * 1024
_REFUSALS = error_responses(400, 401, 403, 404, 409, 413, 415, 422)
_FILE = {"file": "csv_path"}


def _body(model: type[BaseModel], roles: Mapping[str, str]) -> dict[str, Any]:
    """The two shapes of a body for the documentation."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    files = {role: {"type": "string", "format": "binary"} for role in roles}
    form = schema | {"properties": {**schema["properties"], **files}}
    content = {"application/json": {"schema": schema}, "multipart/form-data": {"schema": form}}
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    }
    return {"requestBody": {"required": True, "content": content}, "parameters": [key]}


Read = Callable[[Request, Operator, RuntimeDep], AsyncIterator[Submission[Any]]]


def _submitted(model: type[BaseModel], roles: Mapping[str, str]) -> Read:
    """Dependency: the request and its plan, before any transaction is open. What no job took is removed."""

    async def read(request: Request, by: Operator, rt: RuntimeDep) -> AsyncIterator[Submission[Any]]:
        settings = settings_of(rt)
        reader = Reader(settings.data_dir, by, roles, settings.import_max_bytes)
        sent = await reader.read(request, model)
        try:
            yield await service.planned(sent)
        finally:
            await asyncio.to_thread(sent.inputs.discard)

    return read


_RENAME_FILES = {**_FILE, "pairs": "pairs_csv", "list": "list_csv"}
_DIFF_FILES = {"before": "before_path", "after": "after_path"}
_WORKBOOK = {"file": "xlsx_path"}
Create = Annotated[Submission[Any], Depends(_submitted(CreateCodesIn, _FILE), scope="function")]
Rename = Annotated[Submission[Any], Depends(_submitted(RenameCodesIn, _RENAME_FILES), scope="function")]
Update = Annotated[Submission[Any], Depends(_submitted(UpdateDiscountIn, _FILE), scope="function")]
Diff = Annotated[Submission[Any], Depends(_submitted(CsvDiffIn, _DIFF_FILES), scope="function")]
Convert = Annotated[Submission[Any], Depends(_submitted(ConvertIn, _WORKBOOK), scope="function")]


def _accepting(model: type[BaseModel], roles: Mapping[str, str]) -> dict[str, Any]:
    return {
        "status_code": 202,
        "response_model": ApiResponse[JobAccepted],
        "responses": _REFUSALS,
        "openapi_extra": _body(model, roles),
    }


@router.post("/fienta/create-codes", **_accepting(CreateCodesIn, _FILE))
async def create_codes(sent: Create, tx: TenantTx, rt: RuntimeDep) -> ApiResponse[Any] | Response:
    """Make the codes of a file at Fienta. A dry run (the default) shows what would be made."""
    return await sent.idem.run(tx, lambda: service.accept_plan(tx, rt, sent), status=202)


@router.post("/fienta/rename-codes", **_accepting(RenameCodesIn, _RENAME_FILES))
async def rename_codes(sent: Rename, tx: TenantTx, rt: RuntimeDep) -> ApiResponse[Any] | Response:
    """Give codes at Fienta other names: numbered after a prefix, or by pairs. Our own codes follow."""
    return await sent.idem.run(tx, lambda: service.accept_plan(tx, rt, sent), status=202)


@router.post("/fienta/update-discount", **_accepting(UpdateDiscountIn, _FILE))
async def update_discount(sent: Update, tx: TenantTx, rt: RuntimeDep) -> ApiResponse[Any] | Response:
    """Change discount and limits of codes at Fienta. 0 percent is a discount like another."""
    return await sent.idem.run(tx, lambda: service.accept_plan(tx, rt, sent), status=202)


@router.post("/csv/diff", **_accepting(CsvDiffIn, _DIFF_FILES))
async def diff_csv(sent: Diff, tx: TenantTx, rt: RuntimeDep) -> ApiResponse[Any] | Response:
    """Compare two exports of codes; the report is the artifact `diff.csv`."""
    return await sent.idem.run(tx, lambda: service.accept(tx, rt, sent, DIFF), status=202)


@router.post("/xlsx-to-csv", **_accepting(ConvertIn, _WORKBOOK))
async def xlsx_to_csv(sent: Convert, tx: TenantTx, rt: RuntimeDep) -> ApiResponse[Any] | Response:
    """A sheet of a workbook as the artifact `converted.csv`."""
    return await sent.idem.run(tx, lambda: service.accept(tx, rt, sent, CONVERT), status=202)


@rows_router.get("/{job_id}/rows", responses=error_responses(400, 401, 404, 422))
async def list_job_rows(
    job_id: UUID,
    user: CurrentUser,
    page: Page,
    tx: ReadTx,
    rt: RuntimeDep,
    state: RowState | None = None,
) -> ApiResponse[list[StepOut]]:
    """The rows of a job at the ticket shop in the order of doing; `state=failed` for what went wrong."""
    await rt.jobs.get(tx, user.tenant_id, job_id)
    rows = await repository.page(tx, user.tenant_id, job_id, state, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["place"]], lambda row: StepOut(**row))
