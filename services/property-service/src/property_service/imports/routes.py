"""Bringing open data in from files."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, UploadFile

from property_service.imports import repository, service
from property_service.imports.schemas import ImportAccepted, ImportKind, ImportOut, RejectionOut
from property_service.settings import settings_of
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import AdminUser, CurrentUser, Page, ReadTx, RuntimeDep, TenantTx

router = APIRouter(prefix="/api", tags=["imports"])

#: Uploads have a body limit of their own: these paths, and room for the form around the files.
IMPORT_PATHS = r"^/api/(properties|cities)/import$"
FORM_OVERHEAD = 1024 * 1024
_MAX_FILES = 100

Files = Annotated[
    list[UploadFile],
    File(alias="file", description="One or several parts named file", min_length=1, max_length=_MAX_FILES),
]


@router.post("/properties/import", status_code=202, responses=error_responses(400, 401, 403, 413, 422))
async def import_properties(
    files: Files, user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[ImportAccepted]:
    """Upload files of sales (DVF): geo-dvf CSV or raw text, plain, gzip or zip; a job reads them in order.

    Importing a file again changes only what it says differently; nothing is ever deleted.
    """
    uploads = [(file.filename, file.file) for file in files]
    return success_response(await service.accept(tx, rt, settings_of(rt), user, "sales", uploads))


@router.post("/cities/import", status_code=202, responses=error_responses(400, 401, 403, 413, 422))
async def import_cities(
    files: Files, user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[ImportAccepted]:
    """Upload La Poste's file of communes and postal codes (laposte_hexasmal); a job reads it."""
    uploads = [(file.filename, file.file) for file in files]
    return success_response(await service.accept(tx, rt, settings_of(rt), user, "cities", uploads))


@router.get("/properties/imports", responses=error_responses(400, 401, 422))
async def list_imports(
    user: CurrentUser, tx: ReadTx, page: Page, kind: ImportKind | None = None
) -> ApiResponse[list[ImportOut]]:
    """Imports of the caller's tenant, of sales and of cities, latest first."""
    rows = await repository.page(tx, user.tenant_id, kind, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["import_id"]], lambda row: ImportOut(**row))


@router.get("/properties/imports/{import_id}", responses=error_responses(401, 404, 422))
async def get_import(import_id: UUID, user: CurrentUser, tx: ReadTx) -> ApiResponse[ImportOut]:
    """State and counts; cancel it by its job."""
    return success_response(ImportOut(**await service.get(tx, user.tenant_id, import_id)))


@router.get("/properties/imports/{import_id}/rejections", responses=error_responses(400, 401, 404, 422))
async def list_rejections(
    import_id: UUID, user: CurrentUser, tx: ReadTx, page: Page
) -> ApiResponse[list[RejectionOut]]:
    """Lines that were not taken, with the reason, in the order of the files."""
    await service.get(tx, user.tenant_id, import_id)
    after = (page.value(0) or 0, page.value(1) or 0) if page.after else (0, 0)
    rows = await repository.rejections(tx, user.tenant_id, import_id, after, page.fetch_limit)
    return page.respond(
        rows, lambda row: [row["file_number"], row["line_number"]], lambda row: RejectionOut(**row)
    )
