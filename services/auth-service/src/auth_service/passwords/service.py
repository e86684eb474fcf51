"""Forgotten and changed passwords."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

from auth_service import notices
from auth_service.api_keys import repository as api_keys
from auth_service.audit import service as audit
from auth_service.audit.service import ANONYMOUS, Act
from auth_service.context import AuthContext, RequestInfo
from auth_service.errors import InvalidTokenError
from auth_service.limits import service as limits
from auth_service.one_time import repository as token_rows
from auth_service.one_time import service as tokens
from auth_service.security.one_time_tokens import OneTimeToken
from auth_service.security.passwords import check_new_password
from auth_service.sessions import service as sessions
from auth_service.tenants import repository as tenants
from auth_service.users import repository as users
from auth_service.users import service as members
from auth_service.users.repository import Member
from shared.database import Tx
from shared.errors import ConflictError
from shared.events import new_event
from shared.events.catalog import PasswordResetRequested
from shared.models.identity import Identity

RESET_JOB = "auth.send_password_reset"


async def request_reset(tx: Tx, auth: AuthContext, email: str, origin: RequestInfo) -> None:
    """Count the request and leave the rest to the job. Raises `RateLimitError`."""
    await limits.count_mail(tx, auth, "reset", email, origin)
    payload = {"email": email, "origin": asdict(origin)}
    await auth.jobs.enqueue(tx, RESET_JOB, payload, tenant_id=None)


async def send_reset(tx: Tx, auth: AuthContext, email: str, origin: RequestInfo) -> None:
    """Mail a link to whoever the address stands for, in a system transaction.

    Several unproven accounts of one address are ambiguous: then nothing is sent, because the mail could hand
    the mailbox's owner an account that a stranger has prepared.
    """
    candidates = await users.sign_in_candidates(tx, email)
    if len(candidates) != 1:
        return
    member = candidates[0]
    ttl = auth.settings.reset_token_ttl
    token_id, token = await tokens.issue(tx, auth, member, "password_reset", ttl)
    fact = PasswordResetRequested(
        user_id=member.id,
        email=member.email,
        name=member.name,
        expires_at=auth.now() + timedelta(seconds=ttl),
    )
    await auth.events.publish(
        tx, new_event("auth.password_reset.requested.v1", fact, tenant_id=member.tenant_id)
    )
    key = f"auth.password_reset:{token_id}"
    await notices.send_mail(
        tx, auth, member, "auth.password_reset", key=key, path="/auth/password/reset", token=token.text
    )
    await audit.record(
        tx,
        auth,
        Act(ANONYMOUS, origin),
        "password.reset_requested",
        tenant_id=member.tenant_id,
        target=("member", member.id),
    )


async def check_reset(tx: Tx, auth: AuthContext, token: OneTimeToken, new_password: str) -> Member:
    """The member a usable token is for, when the new password is good enough; the token stays usable."""
    user_id = await tokens.check(tx, auth, token, "password_reset")
    member = await users.get(tx, token.tenant_id, user_id)
    if member is None:
        raise InvalidTokenError(field="token")
    await _check_new(tx, member, new_password)
    return member


async def reset(tx: Tx, auth: AuthContext, token: OneTimeToken, new_hash: str, origin: RequestInfo) -> None:
    """Set the password and end every session, in a system transaction.

    The link also proves the mailbox. On a first proof the account may have been prepared by a stranger, so
    the API keys made until then are revoked.
    """
    user_id = await tokens.redeem(tx, auth, token, "password_reset")
    before = await members.find(tx, token.tenant_id, user_id, lock=True)
    act = Act(ANONYMOUS, origin)
    await _store(tx, auth, before, new_hash)
    await members.prove_email(tx, auth, token.tenant_id, user_id, act)
    await sessions.revoke_all(tx, auth, before, "password_reset", act)
    if not before.is_proven:
        await _revoke_keys(tx, auth, before)
    await token_rows.drop_all_of(tx, before.tenant_id, before.id)
    await limits.account_recovered(tx, before.email)
    await _note(tx, auth, before, "password.reset", act)


async def _revoke_keys(tx: Tx, auth: AuthContext, member: Member) -> None:
    for key_id in await api_keys.revoke_of_creator(tx, member.tenant_id, member.id, auth.now()):
        await notices.session_revoked(tx, auth, member.tenant_id, key_id, None, "password_reset")


async def check_change(tx: Tx, member: Member, new_password: str) -> None:
    await _check_new(tx, member, new_password)


async def change(
    tx: Tx, auth: AuthContext, identity: Identity, before: Member, new_hash: str, act: Act, *, revoke: bool
) -> int:
    """Set the password; how many other sessions were ended."""
    current: UUID = sessions.session_id_of(identity)
    await _store(tx, auth, before, new_hash)
    await token_rows.drop(tx, before.tenant_id, before.id, "password_reset")
    ended = 0
    if revoke:
        ended = await sessions.revoke_all(tx, auth, before, "password_change", act, keep=current)
    await _note(tx, auth, before, "password.changed", act)
    return ended


async def _store(tx: Tx, auth: AuthContext, before: Member, new_hash: str) -> None:
    changed = await users.set_password(
        tx, before.tenant_id, before.id, new_hash, auth.now(), replacing=before.password_hash
    )
    if not changed:
        raise ConflictError("The password was changed meanwhile")


async def _check_new(tx: Tx, member: Member, new_password: str) -> None:
    tenant = await tenants.get(tx, member.tenant_id)
    organisation = tenant.name if tenant else ""
    known = [organisation, member.email, member.first_name, member.last_name]
    check_new_password(new_password, known, field="new_password")


async def _note(tx: Tx, auth: AuthContext, member: Member, action: audit.Action, act: Act) -> None:
    await audit.record(tx, auth, act, action, tenant_id=member.tenant_id, target=("member", member.id))
