"""Signing in: count, compare outside any transaction, then record."""

from __future__ import annotations

from dataclasses import dataclass

from auth_service.audit import service as audit
from auth_service.audit.service import ANONYMOUS, Act, Actor
from auth_service.context import AuthContext, RequestInfo
from auth_service.limits import service as limits
from auth_service.limits.service import Attempt
from auth_service.sessions import repository as session_rows
from auth_service.sessions import service as sessions
from auth_service.sessions.schemas import SignedIn
from auth_service.signing_keys.keyring import Signer
from auth_service.tenants import service as tenants
from auth_service.tenants.schemas import TenantOut
from auth_service.users import repository as users
from auth_service.users.repository import Member
from auth_service.users.schemas import UserOut
from shared.database import Tx
from shared.errors import InvalidCredentialsError
from shared.models.identity import Identity


@dataclass(frozen=True, slots=True)
class Candidates:
    """Accounts the address may mean, and the counted attempt."""

    members: list[Member]
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Match:
    """The account whose password it is; `new_hash` when the stored one is outdated."""

    member: Member
    new_hash: str | None


async def begin(tx: Tx, auth: AuthContext, email: str, origin: RequestInfo) -> Candidates:
    """Count the attempt and find the accounts. Raises `RateLimitError`."""
    members = await users.sign_in_candidates(tx, email.strip())
    since = users.network_memory(auth.now())
    known = bool(members) and await users.is_known_network(tx, members, origin.network, since)
    attempt = await limits.begin_login(tx, auth, email, origin, known)
    return Candidates(members, attempt)


async def compare(auth: AuthContext, members: list[Member], password: str) -> Match | None:
    """The account the password fits. Unknown addresses cost one hash as well. Never inside a transaction."""
    if not members:
        await auth.hasher.verify(None, password)
    for member in members:
        result = await auth.hasher.verify(member.password_hash, password)
        if result.ok:
            new_hash = await auth.hasher.hash(password) if result.outdated else None
            return Match(member, new_hash)
    return None


async def succeed(
    tx: Tx, auth: AuthContext, signer: Signer, match: Match, attempt: Attempt, origin: RequestInfo
) -> SignedIn:
    """Open the session, in a transaction of the member's tenant."""
    member = await _still_right(tx, match)
    await limits.login_succeeded(tx, auth, attempt)
    if match.new_hash is not None:
        await users.set_password(
            tx, member.tenant_id, member.id, match.new_hash, auth.now(), replacing=member.password_hash
        )
    tokens = await sessions.open_session(tx, auth, signer, member, origin)
    await audit.record(
        tx,
        auth,
        Act(Actor("user", str(member.id)), origin),
        "login.succeeded",
        tenant_id=member.tenant_id,
        target=("session", tokens.session_id),
    )
    tenant = await tenants.get(tx, member.tenant_id)
    return SignedIn(user=UserOut.of(member), tenant=TenantOut.of(tenant), tokens=tokens)


async def _still_right(tx: Tx, match: Match) -> Member:
    """The row again, locked: it may have been disabled or given another password meanwhile."""
    member = await users.get(tx, match.member.tenant_id, match.member.id, lock=True)
    if member is None or member.status != "active" or member.password_hash != match.member.password_hash:
        raise InvalidCredentialsError
    return member


async def fail(tx: Tx, auth: AuthContext, candidates: Candidates, origin: RequestInfo) -> None:
    """Count the failure and note it for the account's tenant."""
    await limits.login_failed(tx, auth, candidates.attempt, origin)
    for member in candidates.members[:1]:
        await audit.record(
            tx,
            auth,
            Act(ANONYMOUS, origin),
            "login.failed",
            tenant_id=member.tenant_id,
            target=("member", member.id),
        )


async def confirm(
    tx: Tx, auth: AuthContext, identity: Identity, attempt: Attempt, origin: RequestInfo
) -> None:
    """The session counts as fresh again for ten minutes."""
    session_id = sessions.session_id_of(identity)
    await limits.login_succeeded(tx, auth, attempt)
    await sessions.live_session(tx, auth, identity, session_id)
    await session_rows.note_authentication(tx, identity.tenant_id, session_id, auth.now())
    await audit.record(
        tx,
        auth,
        Act(Actor.of(identity), origin),
        "login.reauthenticated",
        tenant_id=identity.tenant_id,
        target=("session", session_id),
    )
