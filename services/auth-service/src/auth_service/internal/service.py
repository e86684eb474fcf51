"""What auth-service does for other services."""

from __future__ import annotations

from auth_service.audit.service import Act, Actor
from auth_service.context import AuthContext, RequestInfo
from auth_service.errors import EmailAlreadyExistsError
from auth_service.internal.schemas import InternalUserRequest
from auth_service.security.passwords import check_new_password
from auth_service.tenants import repository as tenants
from auth_service.users import repository as users
from auth_service.users import service as members
from auth_service.users.repository import Member, NewMember
from shared.database import Tx
from shared.errors import NotFoundError
from shared.utils.ids import uuid7


async def check_new_user(tx: Tx, body: InternalUserRequest) -> None:
    """Raises `NotFoundError` for an unknown tenant, `EmailAlreadyExistsError` for a proven address."""
    tenant = await tenants.get(tx, body.tenant_id)
    if tenant is None:
        raise NotFoundError("There is no such tenant")
    if await users.proven_owner_of(tx, body.email) is not None:
        raise EmailAlreadyExistsError(field="email")
    if body.password is not None:
        check_new_password(body.password, [tenant.name, body.email, body.first_name, body.last_name])


async def create_user(
    tx: Tx,
    auth: AuthContext,
    body: InternalUserRequest,
    password_hash: str | None,
    caller: str,
    origin: RequestInfo,
) -> Member:
    """A member made by another service, in a transaction of the tenant."""
    new = NewMember(
        tenant_id=body.tenant_id,
        id=uuid7(),
        email=body.email,
        password_hash=password_hash,
        first_name=body.first_name,
        last_name=body.last_name,
        language=body.language,
        role=body.role,
    )
    return await members.add(tx, auth, new, Act(Actor("service", caller), origin))
