"""Sessions and their tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from auth_service import notices
from auth_service.audit import service as audit
from auth_service.audit.service import ANONYMOUS, Act
from auth_service.context import AuthContext, RequestInfo
from auth_service.errors import ReauthenticationRequiredError
from auth_service.security.access_tokens import Subject
from auth_service.security.refresh_tokens import RefreshToken, new_session_key
from auth_service.security.roles import scopes_of
from auth_service.security.rotation import Verdict, judge, remember
from auth_service.sessions import repository
from auth_service.sessions.repository import Chain, NewSession, RevokeReason, Rotation, SessionRecord
from auth_service.sessions.schemas import TokensOut
from auth_service.signing_keys.keyring import Signer
from auth_service.users import repository as users
from auth_service.users.repository import Member
from shared.database import Tx
from shared.errors import ForbiddenError, NotFoundError
from shared.models.identity import ROLE_RANK, Identity, Role
from shared.utils.ids import uuid7


@dataclass(frozen=True, slots=True)
class Lifetimes:
    idle: timedelta
    absolute: timedelta


def lifetimes(auth: AuthContext, role: Role) -> Lifetimes:
    """How long a session of a role lasts unused, and at most."""
    idle = timedelta(seconds=auth.settings.session_idle)
    absolute = timedelta(seconds=auth.settings.session_absolute)
    if ROLE_RANK[role] < ROLE_RANK["admin"]:
        return Lifetimes(idle, absolute)
    limit = timedelta(seconds=auth.settings.admin_session)
    return Lifetimes(min(idle, limit), min(absolute, limit))


async def open_session(
    tx: Tx, auth: AuthContext, signer: Signer, member: Member, origin: RequestInfo
) -> TokensOut:
    """A new session for somebody who has just proven who they are."""
    now, life, key, session_id = auth.now(), lifetimes(auth, member.role), new_session_key(), uuid7()
    new = NewSession(
        tenant_id=member.tenant_id,
        id=session_id,
        user_id=member.id,
        refresh_key=auth.box.seal(key, f"session {session_id}"),
        now=now,
        idle_expires_at=now + life.idle,
        expires_at=now + life.absolute,
        ip=origin.ip,
        ip_network=origin.network,
        user_agent=origin.user_agent,
    )
    await repository.insert(tx, new)
    await users.note_login(tx, member.tenant_id, member.id, now)
    refresh = RefreshToken.derive(key, member.tenant_id, session_id, 0)
    return _tokens(auth, signer, member, refresh, new.idle_expires_at)


def _tokens(
    auth: AuthContext, signer: Signer, member: Member, refresh: RefreshToken, expires_at: datetime
) -> TokensOut:
    subject = Subject(
        user_id=member.id,
        tenant_id=member.tenant_id,
        role=member.role,
        scopes=scopes_of(member.role),
        session_id=refresh.session_id,
        email=member.email,
        email_verified=member.is_proven,
    )
    return TokensOut(
        access_token=signer.access_token(subject, auth.access_ttl),
        refresh_token=refresh.encode(),
        token_type="Bearer",  # noqa: S106  # the name of a scheme
        expires_in=auth.settings.jwt_expires_in,
        session_id=refresh.session_id,
        refresh_expires_at=expires_at,
    )


async def refresh(
    tx: Tx, auth: AuthContext, signer: Signer, token: RefreshToken, origin: RequestInfo
) -> TokensOut | None:
    """New tokens, or None when the caller has to sign in again.

    The caller commits in both cases: a refusal may have revoked the session.
    """
    found = await repository.chain(tx, token.tenant_id, token.session_id)
    if found is None:
        return None
    chain, user_id, role = found
    key = _session_key(auth, chain)
    if key is None or not (token.is_genuine(key) and _is_live(chain, role, auth)):
        return None
    counter, expires_at = await _counter_after(tx, auth, token, chain, role)
    if counter is None:
        await _punish_reuse(tx, auth, token.tenant_id, chain, user_id, origin)
        return None
    member = await users.get(tx, token.tenant_id, user_id)
    assert member is not None
    successor = RefreshToken.derive(key, token.tenant_id, chain.session_id, counter)
    return _tokens(auth, signer, member, successor, expires_at)


def _session_key(auth: AuthContext, chain: Chain) -> bytes | None:
    """None when JWT_SECRET has changed since: such sessions have to sign in again."""
    try:
        return auth.box.open(chain.refresh_key, f"session {chain.session_id}")
    except ValueError:
        return None


def _is_live(chain: Chain, role: Role, auth: AuthContext) -> bool:
    now = auth.now()
    return chain.is_usable and now < min(
        chain.expires_at, chain.idle_expires_at, chain.created_at + lifetimes(auth, role).absolute
    )


async def _counter_after(
    tx: Tx, auth: AuthContext, token: RefreshToken, chain: Chain, role: Role
) -> tuple[int | None, datetime]:
    """The counter of the token to hand out; None when the presented one is a replay."""
    grace, now = timedelta(seconds=auth.settings.refresh_grace), auth.now()
    verdict = judge(token.counter, chain.counter, chain.rotations, now, grace)
    if verdict is Verdict.ROTATE:
        rotation = _rotation(chain, role, auth, grace)
        if await repository.rotate(tx, token.tenant_id, chain.session_id, token.counter, rotation):
            return rotation.counter, rotation.idle_expires_at
        return await _after_lost_race(tx, auth, token, grace)
    if verdict is Verdict.REPEAT:
        return chain.counter, chain.idle_expires_at
    if verdict is Verdict.REUSE or verdict is Verdict.FORGED:
        return None, now
    assert_never(verdict)


async def _after_lost_race(
    tx: Tx, auth: AuthContext, token: RefreshToken, grace: timedelta
) -> tuple[int | None, datetime]:
    """Another caller rotated between our look and our claim: the same token is now the direct parent."""
    found = await repository.chain(tx, token.tenant_id, token.session_id)
    if found is None or not found[0].is_usable:
        return None, auth.now()
    chain = found[0]
    verdict = judge(token.counter, chain.counter, chain.rotations, auth.now(), grace)
    return (chain.counter if verdict is Verdict.REPEAT else None), chain.idle_expires_at


def _rotation(chain: Chain, role: Role, auth: AuthContext, grace: timedelta) -> Rotation:
    now, life = auth.now(), lifetimes(auth, role)
    expires_at = min(chain.expires_at, chain.created_at + life.absolute)
    return Rotation(
        counter=chain.counter + 1,
        rotations=remember(chain.rotations, now, grace),
        now=now,
        idle_expires_at=min(now + life.idle, expires_at),
        expires_at=expires_at,
    )


async def _punish_reuse(
    tx: Tx, auth: AuthContext, tenant_id: UUID, chain: Chain, user_id: UUID, origin: RequestInfo
) -> None:
    """Somebody has a copy of an old token, and nobody can tell who: the session ends for both."""
    if not await repository.revoke(tx, tenant_id, chain.session_id, "refresh_reuse", auth.now()):
        return
    await notices.session_revoked(tx, auth, tenant_id, chain.session_id, user_id, "refresh_reuse")
    await audit.record(
        tx,
        auth,
        Act(ANONYMOUS, origin),
        "session.reuse_detected",
        tenant_id=tenant_id,
        target=("session", chain.session_id),
        changes={"current": chain.counter},
    )
    member = await users.get(tx, tenant_id, user_id)
    assert member is not None
    key = f"auth.session_reuse:{chain.session_id}"
    await notices.send_mail(tx, auth, member, "auth.session_reuse", key=key, path="/auth/password/forgot")


async def revoke_one(
    tx: Tx,
    auth: AuthContext,
    tenant_id: UUID,
    user_id: UUID,
    session_id: UUID,
    reason: RevokeReason,
    act: Act,
) -> bool:
    """End a session; False when it had ended before."""
    if not await repository.revoke(tx, tenant_id, session_id, reason, auth.now()):
        return False
    await _tell(tx, auth, tenant_id, user_id, session_id, reason, act)
    return True


async def revoke_all(
    tx: Tx,
    auth: AuthContext,
    member: Member,
    reason: RevokeReason,
    act: Act,
    *,
    keep: UUID | None = None,
) -> int:
    """End all sessions of a member but `keep`; how many."""
    ended = await repository.revoke_all(tx, member.tenant_id, member.id, reason, auth.now(), keep)
    for session_id in ended:
        await _tell(tx, auth, member.tenant_id, member.id, session_id, reason, act)
    return len(ended)


async def _tell(
    tx: Tx, auth: AuthContext, tenant_id: UUID, user_id: UUID, session_id: UUID, reason: str, act: Act
) -> None:
    await notices.session_revoked(tx, auth, tenant_id, session_id, user_id, reason)
    await audit.record(
        tx,
        auth,
        act,
        "session.revoked",
        tenant_id=tenant_id,
        target=("session", session_id),
        changes={"reason": reason},
    )


def session_id_of(identity: Identity) -> UUID:
    """The session of a person. Keys have none: 403."""
    if identity.kind != "user" or identity.session_id is None:
        raise ForbiddenError("This needs a person who has signed in, not an API key")
    try:
        return UUID(identity.session_id)
    except ValueError:
        raise ForbiddenError("This access token belongs to no session") from None


async def live_session(tx: Tx, auth: AuthContext, identity: Identity, session_id: UUID) -> SessionRecord:
    """A live session of the caller; 404 for anybody else's."""
    session = await repository.get_live(tx, identity.tenant_id, identity.user_id, auth.now(), session_id)
    if session is None:
        raise NotFoundError
    return session


async def require_fresh(tx: Tx, auth: AuthContext, identity: Identity) -> None:
    """People must have shown their password within the last ten minutes; keys cannot, and need not."""
    if identity.kind == "api_key":
        return
    own = await repository.get_live(
        tx, identity.tenant_id, identity.user_id, auth.now(), session_id_of(identity)
    )
    oldest = auth.now() - timedelta(seconds=auth.settings.fresh_login)
    if own is None or own.authenticated_at < oldest:
        raise ReauthenticationRequiredError
