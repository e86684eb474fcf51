"""Members: profile, roles, removal."""

from __future__ import annotations

from uuid import UUID

from auth_service import notices
from auth_service.api_keys import repository as api_keys
from auth_service.audit import service as audit
from auth_service.audit.service import Act
from auth_service.context import AuthContext
from auth_service.errors import LastOwnerError
from auth_service.one_time import repository as one_time
from auth_service.one_time import service as tokens
from auth_service.security.roles import require_may_grant, require_may_manage
from auth_service.sessions import service as sessions
from auth_service.sessions.repository import RevokeReason
from auth_service.users import repository
from auth_service.users.repository import Member, NewMember
from auth_service.users.schemas import MemberChanges, ProfileChanges
from shared.database import Tx
from shared.errors import ForbiddenError, NotFoundError, UnprocessableError
from shared.events import new_event
from shared.events.catalog import UserRegistered
from shared.models.identity import Identity


async def own(tx: Tx, identity: Identity) -> Member:
    """The member behind a token; 403 for API keys, 404 once removed."""
    if identity.kind != "user":
        raise ForbiddenError("An API key has no profile")
    return await find(tx, identity.tenant_id, identity.user_id)


async def find(tx: Tx, tenant_id: UUID, user_id: UUID, *, lock: bool = False) -> Member:
    member = await repository.get(tx, tenant_id, user_id, lock=lock)
    if member is None:
        raise NotFoundError
    return member


async def add(tx: Tx, auth: AuthContext, new: NewMember, act: Act) -> Member:
    """A new member of the tenant, told to the others, with a mail to prove the address."""
    member = await repository.insert(tx, new, auth.now())
    fact = UserRegistered(user_id=member.id, email=member.email, name=member.name)
    await auth.events.publish(
        tx,
        new_event("auth.user.registered.v1", fact, tenant_id=member.tenant_id, subject=str(member.id)),
    )
    await audit.record(
        tx,
        auth,
        act,
        "member.created",
        tenant_id=member.tenant_id,
        target=("member", member.id),
        changes={"email": member.email, "role": member.role},
    )
    await send_verification(tx, auth, member)
    return member


async def send_verification(tx: Tx, auth: AuthContext, member: Member) -> None:
    """A new link; the one sent before stops working."""
    token_id, token = await tokens.issue(tx, auth, member, "verify_email", auth.settings.verify_token_ttl)
    await notices.send_mail(
        tx,
        auth,
        member,
        "auth.verify_email",
        key=f"auth.verify_email:{token_id}",
        path="/auth/verify-email",
        token=token.text,
    )


async def prove_email(tx: Tx, auth: AuthContext, tenant_id: UUID, user_id: UUID, act: Act) -> Member:
    """Note that the mailbox is the member's, and close every other claim on the address.

    Needs a system transaction: the other claims are in other tenants.
    """
    before = await find(tx, tenant_id, user_id, lock=True)
    member = await repository.prove_email(tx, tenant_id, user_id, auth.now())
    if member is None:
        raise NotFoundError
    if before.is_proven:
        return member
    await audit.record(tx, auth, act, "email.verified", tenant_id=tenant_id, target=("member", user_id))
    for other in await repository.disable_other_claims(tx, member, auth.now()):
        await sessions.revoke_all(tx, auth, other, "superseded", audit.SYSTEM_ACT)
        await one_time.drop_all_of(tx, other.tenant_id, other.id)
    return member


async def change_profile(
    tx: Tx, auth: AuthContext, identity: Identity, body: ProfileChanges, act: Act
) -> Member:
    """Apply the given fields of the caller's own profile."""
    before = await own(tx, identity)
    wanted = body.model_dump(exclude_unset=True)
    for name, value in wanted.items():
        if value is None:
            raise UnprocessableError(f"{name} cannot be null", field=name)
    changes = {name: value for name, value in wanted.items() if getattr(before, name) != value}
    if not changes:
        return before
    after = await repository.update_profile(tx, before.tenant_id, before.id, changes, auth.now())
    assert after is not None
    log = {name: {"from": getattr(before, name), "to": value} for name, value in changes.items()}
    await audit.record(
        tx,
        auth,
        act,
        "member.updated",
        tenant_id=before.tenant_id,
        target=("member", before.id),
        changes=log,
    )
    return after


async def change_member(
    tx: Tx, auth: AuthContext, identity: Identity, user_id: UUID, body: MemberChanges, act: Act
) -> Member:
    """Change role or state. Ends the member's sessions: their tokens still say what they were."""
    owners = await repository.lock_active_owners(tx, identity.tenant_id)
    before = await find(tx, identity.tenant_id, user_id, lock=True)
    require_may_manage(identity.role, before.role)
    role, status = body.role or before.role, body.status or before.status
    require_may_grant(identity.role, role)
    if (role, status) == (before.role, before.status):
        return before
    if role != "owner" or status != "active":
        _keep_an_owner(owners, before)
    after = await repository.set_role_and_status(tx, before, role, status, auth.now())
    assert after is not None
    await _record_change(tx, auth, before, after, act)
    reason: RevokeReason = "member_disabled" if status == "disabled" else "role_change"
    await sessions.revoke_all(tx, auth, before, reason, act)
    if status == "disabled":
        for key_id in await api_keys.ids_of_creator(tx, before.tenant_id, before.id):
            await notices.session_revoked(tx, auth, before.tenant_id, key_id, None, "member_disabled")
    return after


async def _record_change(tx: Tx, auth: AuthContext, before: Member, after: Member, act: Act) -> None:
    target: tuple[audit.TargetKind, UUID] = ("member", before.id)
    if before.role != after.role:
        changes = {"role": {"from": before.role, "to": after.role}}
        await audit.record(
            tx, auth, act, "member.role_changed", tenant_id=before.tenant_id, target=target, changes=changes
        )
    if before.status != after.status:
        action: audit.Action = "member.enabled" if after.status == "active" else "member.disabled"
        await audit.record(tx, auth, act, action, tenant_id=before.tenant_id, target=target)


async def remove(tx: Tx, auth: AuthContext, identity: Identity, user_id: UUID, act: Act) -> None:
    """Delete a member with sessions and one-time tokens, and revoke the API keys they made."""
    owners = await repository.lock_active_owners(tx, identity.tenant_id)
    member = await find(tx, identity.tenant_id, user_id, lock=True)
    require_may_manage(identity.role, member.role)
    _keep_an_owner(owners, member)
    await sessions.revoke_all(tx, auth, member, "member_disabled", act)
    for key_id in await api_keys.revoke_of_creator(tx, member.tenant_id, member.id, auth.now()):
        await notices.session_revoked(tx, auth, member.tenant_id, key_id, None, "member_removed")
    await repository.delete(tx, member.tenant_id, member.id)
    await audit.record(
        tx,
        auth,
        act,
        "member.removed",
        tenant_id=member.tenant_id,
        target=("member", member.id),
        changes={"email": member.email, "role": member.role},
    )


def _keep_an_owner(active_owners: list[UUID], member: Member) -> None:
    if active_owners == [member.id]:
        raise LastOwnerError
