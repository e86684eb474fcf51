"""Who did what, when, from where."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from auth_service.audit import repository
from auth_service.audit.repository import AuditFilter
from auth_service.audit.schemas import AuditEntry
from auth_service.audit.service import Action
from shared.models.responses import ApiResponse, error_responses
from shared.web import AdminUser, Page, ReadTx

router = APIRouter(prefix="/audit-log", tags=["audit"])


@router.get("", response_model=ApiResponse[list[AuditEntry]], responses=error_responses(400, 401, 403, 422))
async def list_entries(
    user: AdminUser,
    page: Page,
    tx: ReadTx,
    action: Action | None = None,
    actor_id: Annotated[str | None, Query(max_length=64, pattern=r"^[\w.:-]+$")] = None,
    target_id: Annotated[str | None, Query(max_length=64, pattern=r"^[\w.:-]+$")] = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> ApiResponse[list[AuditEntry]]:
    """Newest first. Needs the role admin."""
    wanted = AuditFilter(action, actor_id, target_id, since, until)
    rows = await repository.page(tx, user.tenant_id, wanted, page.value(0), page.value(1), page.fetch_limit)
    return page.respond(rows, lambda row: (row.at, row.id), AuditEntry.model_validate)
