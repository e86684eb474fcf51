"""Files that mails carry: kept for the tenant, attached to templates and campaigns."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from campaign_service.attachments import repository, service
from campaign_service.attachments.repository import Owner
from campaign_service.attachments.schemas import AttachedOut, AttachmentOut
from campaign_service.attachments.upload import ATTACH_FORM, FILE_FORM, Form
from campaign_service.campaigns import repository as campaigns
from campaign_service.campaigns import service as campaign_service
from campaign_service.campaigns.states import next_status
from campaign_service.templates import service as templates
from shared.database import Tx
from shared.errors import BusinessRuleError, NotFoundError, UnprocessableError
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import OperatorUser, Page, ReadTx, RuntimeDep, TenantPath, TenantTx

router = APIRouter(prefix="/api/v2/attachments/{tenant_id}", tags=["attachments"])
template_router = APIRouter(
    prefix="/api/v2/templates/{tenant_id}/{template_id}/attachments", tags=["templates"]
)
campaign_router = APIRouter(
    prefix="/api/v2/campaigns/{tenant_id}/{campaign_id}/attachments", tags=["campaigns"]
)
_READ = error_responses(400, 401, 404, 422)
_UPLOAD = error_responses(400, 401, 403, 404, 409, 413, 415, 422)
_CHANGE = error_responses(400, 401, 403, 404, 409, 422)
Attached = ApiResponse[list[AttachedOut]]


@router.post("", status_code=201, openapi_extra=FILE_FORM, responses=_UPLOAD)
async def upload_attachment(
    tenant_id: TenantPath, request: Request, user: OperatorUser, rt: RuntimeDep
) -> ApiResponse[AttachmentOut]:
    """Keep a file for mails. Its type is found out; programs are refused (422), also inside archives."""
    form = await Form.read(request)
    if form.content is None:
        raise UnprocessableError("Send a file", field="file")
    async with rt.db.tenant_tx(tenant_id) as tx:
        attachment_id = await form.stored(tx, rt, user.user_id)
        return success_response(AttachmentOut(**await service.get(tx, attachment_id)))


@router.get("", responses=_READ)
async def list_attachments(tenant_id: TenantPath, page: Page, tx: ReadTx) -> ApiResponse[list[AttachmentOut]]:
    """Newest first."""
    rows = await repository.page(tx, tenant_id, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["id"]], lambda row: AttachmentOut(**row))


@router.get("/{attachment_id}", responses=_READ)
async def get_attachment(
    tenant_id: TenantPath, attachment_id: UUID, tx: ReadTx
) -> ApiResponse[AttachmentOut]:
    """A deleted one still has its name and size."""
    return success_response(AttachmentOut(**await service.get(tx, attachment_id)))


@router.get(
    "/{attachment_id}/content",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}, **_READ},
)
async def download_attachment(tenant_id: TenantPath, attachment_id: UUID, tx: ReadTx) -> Response:
    """The file itself, always to be saved and never shown in place."""
    file, content = await service.content(tx, attachment_id)
    headers = {
        "Content-Disposition": f"attachment; filename*=utf-8''{quote(file['name'], safe='')}",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, media_type=file["content_type"], headers=headers)


@router.delete("/{attachment_id}", responses=_CHANGE)
async def delete_attachment(
    tenant_id: TenantPath, attachment_id: UUID, user: OperatorUser, tx: TenantTx
) -> ApiResponse[AttachmentOut]:
    """Its content is gone for good; 409 while a template, campaign or message will send it."""
    return success_response(AttachmentOut(**await service.delete(tx, attachment_id)))


async def _attached(tx: Tx, owner: Owner) -> Attached:
    rows: list[dict[str, Any]] = await repository.uses(tx, tx.tenant, owner)
    return success_response([AttachedOut(**row) for row in rows])


async def _detach(tx: Tx, owner: Owner, attachment_id: UUID) -> None:
    if not await repository.remove_use(tx, tx.tenant, owner, attachment_id):
        raise NotFoundError("This file is not attached")


@template_router.get("", responses=_READ)
async def list_template_attachments(tenant_id: TenantPath, template_id: UUID, tx: ReadTx) -> Attached:
    """Files of the current version, in the order in which they were attached."""
    template = await templates.get(tx, tenant_id, template_id)
    return await _attached(tx, Owner(template_id=template_id, template_version=template["version"]))


@template_router.post("", status_code=201, openapi_extra=ATTACH_FORM, responses=_UPLOAD)
async def attach_to_template(
    tenant_id: TenantPath,
    template_id: UUID,
    request: Request,
    user: OperatorUser,
    rt: RuntimeDep,
) -> Attached:
    """A file for all mails of the template, which gets a new version; campaigns that started keep theirs.

    Send a `file`, or the `attachment_id` of one that is there. What the HTML shows by `cid:` and its
    `content_id` goes into the mail as a picture, everything else as an attachment.
    """
    # no transaction waits for an upload
    async with rt.db.tenant_tx(tenant_id, read_only=True) as tx:
        await templates.get(tx, tenant_id, template_id)
    form = await Form.read(request)
    async with rt.db.tenant_tx(tenant_id) as tx:
        version = await templates.new_version(tx, tenant_id, template_id)
        owner = Owner(template_id=template_id, template_version=version)
        await service.attach(tx, rt, owner, await form.stored(tx, rt, user.user_id), form.content_id)
        return await _attached(tx, owner)


@template_router.delete("/{attachment_id}", responses=_CHANGE)
async def detach_from_template(
    tenant_id: TenantPath, template_id: UUID, attachment_id: UUID, user: OperatorUser, tx: TenantTx
) -> Attached:
    """A new version without the file."""
    version = await templates.new_version(tx, tenant_id, template_id)
    owner = Owner(template_id=template_id, template_version=version)
    await _detach(tx, owner, attachment_id)
    return await _attached(tx, owner)


async def _editable(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> Owner:
    campaign = await campaigns.get(tx, tenant_id, campaign_id, lock=True)
    if campaign is None:
        raise NotFoundError("There is no such campaign")
    next_status(campaign["status"], "edit")
    if campaign["channel"] == "sms":
        raise BusinessRuleError("Texts have no attachments")
    return Owner(campaign_id=campaign_id)


@campaign_router.get("", responses=_READ)
async def list_campaign_attachments(tenant_id: TenantPath, campaign_id: UUID, tx: ReadTx) -> Attached:
    """The campaign's own files; those of its template come before them in every mail."""
    await campaign_service.get(tx, tenant_id, campaign_id)
    return await _attached(tx, Owner(campaign_id=campaign_id))


@campaign_router.post("", status_code=201, openapi_extra=ATTACH_FORM, responses=_UPLOAD)
async def attach_to_campaign(
    tenant_id: TenantPath,
    campaign_id: UUID,
    request: Request,
    user: OperatorUser,
    rt: RuntimeDep,
) -> Attached:
    """A file for all mails of a campaign that has not started. As for templates."""
    async with rt.db.tenant_tx(tenant_id, read_only=True) as tx:
        await campaign_service.get(tx, tenant_id, campaign_id)
    form = await Form.read(request)
    async with rt.db.tenant_tx(tenant_id) as tx:
        owner = await _editable(tx, tenant_id, campaign_id)
        await service.attach(tx, rt, owner, await form.stored(tx, rt, user.user_id), form.content_id)
        return await _attached(tx, owner)


@campaign_router.delete("/{attachment_id}", responses=_CHANGE)
async def detach_from_campaign(
    tenant_id: TenantPath, campaign_id: UUID, attachment_id: UUID, user: OperatorUser, tx: TenantTx
) -> Attached:
    """The file itself stays for other mails."""
    owner = await _editable(tx, tenant_id, campaign_id)
    await _detach(tx, owner, attachment_id)
    return await _attached(tx, owner)
