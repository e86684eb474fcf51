"""Keys for programs. Needs the role admin, and a fresh sign-in for making one."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from auth_service.api_keys import repository, service
from auth_service.api_keys.schemas import ApiKeyOut, ApiKeyRequest, NewApiKey, RotateRequest
from auth_service.audit.service import Act, Actor
from auth_service.context import AuthDep, Origin
from auth_service.sessions.service import require_fresh
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import AdminUser, Page, ReadTx, TenantTx

router = APIRouter(prefix="/api-keys", tags=["api-keys"])


@router.post(
    "", status_code=201, response_model=ApiResponse[NewApiKey], responses=error_responses(400, 401, 403, 422)
)
async def create(
    body: ApiKeyRequest, user: AdminUser, origin: Origin, auth: AuthDep, tx: TenantTx
) -> ApiResponse[NewApiKey]:
    """A new key. Its text is in this answer only."""
    await require_fresh(tx, auth, user)
    key, secret = await service.create(tx, auth, user, body, Act(Actor.of(user), origin))
    return success_response(NewApiKey(key=secret, api_key=ApiKeyOut.of(key)))


@router.get("", response_model=ApiResponse[list[ApiKeyOut]], responses=error_responses(400, 401, 403, 422))
async def list_keys(user: AdminUser, page: Page, tx: ReadTx) -> ApiResponse[list[ApiKeyOut]]:
    """All keys of the organisation, also ended ones, newest first."""
    rows = await repository.page(tx, user.tenant_id, page.value(0), page.value(1), page.fetch_limit)
    return page.respond(rows, lambda row: (row.created_at, row.id), ApiKeyOut.of)


@router.delete("/{key_id}", response_model=ApiResponse[None], responses=error_responses(401, 403, 404, 422))
async def revoke(
    key_id: UUID, user: AdminUser, origin: Origin, auth: AuthDep, tx: TenantTx
) -> ApiResponse[None]:
    """End a key at once."""
    await service.revoke(tx, auth, user, key_id, Act(Actor.of(user), origin))
    return success_response(None, "The key was revoked")


@router.post(
    "/{key_id}/rotate",
    status_code=201,
    response_model=ApiResponse[NewApiKey],
    responses=error_responses(400, 401, 403, 404, 409, 422),
)
async def rotate(
    key_id: UUID,
    user: AdminUser,
    origin: Origin,
    auth: AuthDep,
    tx: TenantTx,
    body: RotateRequest | None = None,
) -> ApiResponse[NewApiKey]:
    """Replace a key by a new one; both may work for a while."""
    await repository.get_or_404(tx, user.tenant_id, key_id)
    await require_fresh(tx, auth, user)
    overlap = body.overlap_seconds if body else 0
    key, secret = await service.rotate(tx, auth, user, key_id, overlap, Act(Actor.of(user), origin))
    return success_response(NewApiKey(key=secret, api_key=ApiKeyOut.of(key)))
