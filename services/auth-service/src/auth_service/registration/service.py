"""Registration. An address belongs to whoever proves its mailbox, not to whoever types it first.

Registering an address that nobody has proven always makes a new tenant and a new owner, also when others
have claimed it before: nobody is ever let into somebody else's tenant, and nobody can block an address.
"""

from __future__ import annotations

from uuid import UUID

from auth_service import notices
from auth_service.audit import service as audit
from auth_service.audit.service import ANONYMOUS, Act, Actor
from auth_service.context import AuthContext, RequestInfo
from auth_service.limits import service as limits
from auth_service.registration.schemas import RegisterRequest
from auth_service.security.passwords import check_new_password
from auth_service.sessions import service as sessions
from auth_service.sessions.schemas import SignedIn
from auth_service.signing_keys.keyring import Signer
from auth_service.tenants import service as tenants
from auth_service.tenants.repository import TenantRecord
from auth_service.tenants.schemas import TenantOut
from auth_service.users import repository as users
from auth_service.users import service as members
from auth_service.users.repository import Member, NewMember
from auth_service.users.schemas import UserOut
from shared.database import Tx
from shared.events import new_event
from shared.events.catalog import TenantCreated
from shared.utils.ids import uuid7


def check_password(body: RegisterRequest) -> None:
    """Raises `WeakPasswordError`, before anything else is looked at."""
    check_new_password(body.password, [body.tenant_name, body.email, body.first_name, body.last_name])


async def is_taken(tx: Tx, auth: AuthContext, body: RegisterRequest, origin: RequestInfo) -> bool:
    """Count the attempt; True when the address is proven, and then its owner is told by mail.

    Needs a system transaction, and the caller commits it also when the answer is True.
    """
    await limits.count_registration(tx, auth, body.email, origin)
    holder = await users.proven_owner_of(tx, body.email)
    if holder is None:
        return False
    key = f"auth.account_exists:{holder.id}:{auth.now().date().isoformat()}"
    await notices.send_mail(tx, auth, holder, "auth.account_exists", key=key, path="/auth/password/forgot")
    return True


async def register(
    tx: Tx,
    auth: AuthContext,
    signer: Signer,
    body: RegisterRequest,
    password_hash: str,
    origin: RequestInfo,
) -> SignedIn:
    """A tenant and its owner, in a transaction of the new tenant."""
    owner = NewMember(
        tenant_id=tx.tenant,
        id=uuid7(),
        email=body.email,
        password_hash=password_hash,
        first_name=body.first_name,
        last_name=body.last_name,
        language=body.language,
        role="owner",
    )
    tenant = await _create_tenant(tx, auth, body, origin, owner.id)
    member = await members.add(tx, auth, owner, Act(Actor("user", str(owner.id)), origin))
    return await _sign_in(tx, auth, signer, member, tenant, origin)


async def _create_tenant(
    tx: Tx, auth: AuthContext, body: RegisterRequest, origin: RequestInfo, owner_id: UUID
) -> TenantRecord:
    tenant = await tenants.create(tx, tx.tenant, body.tenant_name, body.time_zone, auth.now())
    fact = TenantCreated(
        tenant_id=tenant.tenant_id, name=tenant.name, slug=tenant.slug, time_zone=tenant.time_zone
    )
    await auth.events.publish(tx, new_event("auth.tenant.created.v1", fact, tenant_id=tenant.tenant_id))
    await audit.record(
        tx,
        auth,
        Act(Actor("user", str(owner_id)), origin),
        "tenant.created",
        tenant_id=tenant.tenant_id,
        target=("tenant", tenant.tenant_id),
        changes={"name": tenant.name},
    )
    return tenant


async def _sign_in(
    tx: Tx, auth: AuthContext, signer: Signer, member: Member, tenant: TenantRecord, origin: RequestInfo
) -> SignedIn:
    tokens = await sessions.open_session(tx, auth, signer, member, origin)
    return SignedIn(user=UserOut.of(member), tenant=TenantOut.of(tenant), tokens=tokens)


def mailbox_act(origin: RequestInfo) -> Act:
    """Who follows a link from a mail has shown a token, not who they are."""
    return Act(ANONYMOUS, origin)
