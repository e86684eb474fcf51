"""The caller's profile and the members of the caller's tenant."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from auth_service.audit.service import Act, Actor
from auth_service.context import AuthDep, Origin
from auth_service.users import repository, service
from auth_service.users.schemas import MemberChanges, ProfileChanges, UserOut
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import AdminUser, CurrentUser, Page, ReadTx, TenantTx

router = APIRouter(prefix="/users", tags=["users"])


@router.get("/profile", response_model=ApiResponse[UserOut], responses=error_responses(401, 403, 404))
async def get_profile(user: CurrentUser, tx: ReadTx) -> ApiResponse[UserOut]:
    """The caller."""
    return success_response(UserOut.of(await service.own(tx, user)))


@router.patch(
    "/profile", response_model=ApiResponse[UserOut], responses=error_responses(400, 401, 403, 404, 422)
)
async def change_profile(
    body: ProfileChanges, user: CurrentUser, origin: Origin, auth: AuthDep, tx: TenantTx
) -> ApiResponse[UserOut]:
    """Change the caller's names or language."""
    member = await service.change_profile(tx, auth, user, body, Act(Actor.of(user), origin))
    return success_response(UserOut.of(member))


@router.get("", response_model=ApiResponse[list[UserOut]], responses=error_responses(400, 401, 422))
async def list_members(user: CurrentUser, page: Page, tx: ReadTx) -> ApiResponse[list[UserOut]]:
    """Members of the organisation, oldest first."""
    rows = await repository.page(tx, user.tenant_id, page.value(0), page.value(1), page.fetch_limit)
    return page.respond(rows, lambda row: (row.created_at, row.id), UserOut.of)


@router.patch(
    "/{user_id}", response_model=ApiResponse[UserOut], responses=error_responses(400, 401, 403, 404, 409, 422)
)
async def change_member(
    user_id: UUID, body: MemberChanges, user: AdminUser, origin: Origin, auth: AuthDep, tx: TenantTx
) -> ApiResponse[UserOut]:
    """Change a member's role, or disable and enable them. Nobody goes above their own role."""
    member = await service.change_member(tx, auth, user, user_id, body, Act(Actor.of(user), origin))
    return success_response(UserOut.of(member))


@router.delete(
    "/{user_id}", response_model=ApiResponse[None], responses=error_responses(401, 403, 404, 409, 422)
)
async def remove_member(
    user_id: UUID, user: AdminUser, origin: Origin, auth: AuthDep, tx: TenantTx
) -> ApiResponse[None]:
    """Remove a member with their sessions and API keys. The last owner stays."""
    await service.remove(tx, auth, user, user_id, Act(Actor.of(user), origin))
    return success_response(None, "The member was removed")
