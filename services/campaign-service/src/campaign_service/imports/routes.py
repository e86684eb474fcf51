"""Bringing contacts in from files."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from campaign_service.imports import repository, service
from campaign_service.imports.schemas import ImportAccepted, ImportOut, RejectionOut
from campaign_service.settings import settings_of
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import OperatorUser, Page, ReadTx, RuntimeDep, TenantPath

router = APIRouter(prefix="/api/v2/contacts/{tenant_id}", tags=["imports"])

#: The upload has a body limit of its own: this path, and room for the form around the file.
IMPORT_PATH = r"^/api/v2/contacts/[^/]+/import$"
FORM_OVERHEAD = 1024 * 1024

_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "mapping": {
                            "type": "string",
                            "description": "JSON: header or column number to field, custom.<key> or null",
                        },
                        "tags": {"type": "string", "description": "Slugs, separated by commas"},
                        "default_language": {"type": "string", "default": "en"},
                        "on_conflict": {
                            "type": "string",
                            "enum": ["update", "skip", "fill_empty"],
                            "default": "update",
                        },
                        "source_id": {"type": "string", "format": "uuid"},
                        "source_name": {
                            "type": "string",
                            "description": "Instead of source_id; a name that is new makes a source",
                        },
                        "consent": {
                            "type": "string",
                            "description": "JSON: what everybody in the file has agreed to, with its proof"
                            " (channels, basis, source, text, version, at)",
                        },
                    },
                }
            }
        },
    }
}


@router.post(
    "/import",
    status_code=202,
    openapi_extra=_FORM,
    responses=error_responses(400, 401, 403, 404, 413, 415, 422),
)
async def import_file(
    tenant_id: TenantPath, request: Request, user: OperatorUser, rt: RuntimeDep
) -> ApiResponse[ImportAccepted]:
    """Upload a CSV; a job reads it. Delimiter, encoding and columns are found out and said in the answer.

    `on_conflict` says what happens to contacts that are there: `update` takes what the file has,
    `fill_empty` only fills gaps, `skip` leaves them alone. All of them get the tags.
    """
    settings = settings_of(rt)
    import_id, upload = service.new_upload(settings.data_dir, tenant_id, settings.import_max_bytes)
    try:
        await upload.receive(request.headers.get("content-type", ""), request.stream())
        accepted = await service.accept(rt, tenant_id, user.user_id, upload, import_id)
    except BaseException:
        # Whatever stopped the request, also a client that went away: nothing will ask for this file.
        upload.target.unlink(missing_ok=True)
        raise
    return success_response(accepted)


def _out(row: dict[str, Any]) -> ImportOut:
    return ImportOut(**row)


@router.get("/imports", responses=error_responses(400, 401, 404, 422))
async def list_imports(tenant_id: TenantPath, page: Page, tx: ReadTx) -> ApiResponse[list[ImportOut]]:
    """Latest first."""
    rows = await repository.page(tx, tenant_id, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["id"]], _out)


@router.get("/imports/{import_id}", responses=error_responses(401, 404, 422))
async def get_import(tenant_id: TenantPath, import_id: UUID, tx: ReadTx) -> ApiResponse[ImportOut]:
    """State and counts; cancel it by its job."""
    return success_response(_out(await service.get(tx, tenant_id, import_id)))


@router.get("/imports/{import_id}/rejections", responses=error_responses(400, 401, 404, 422))
async def list_rejections(
    tenant_id: TenantPath, import_id: UUID, page: Page, tx: ReadTx
) -> ApiResponse[list[RejectionOut]]:
    """Rows that became no contact, with their line and the reason, in the order of the file."""
    await service.get(tx, tenant_id, import_id)
    rows = await repository.rejections(tx, tenant_id, import_id, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["line_number"]], lambda row: RejectionOut(**row))


@router.get(
    "/imports/{import_id}/rejections.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}}, **error_responses(401, 404, 422)},
)
async def rejections_csv(
    tenant_id: TenantPath, import_id: UUID, tx: ReadTx, rt: RuntimeDep
) -> StreamingResponse:
    """The same as CSV, whole."""
    await service.get(tx, tenant_id, import_id)
    return StreamingResponse(
        service.rejections_csv(rt.db, tenant_id, import_id),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="rejections.csv"'},
    )
