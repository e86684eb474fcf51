"""API keys: making, rotating, revoking, and exchanging them for a short access token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from auth_service import notices
from auth_service.api_keys import repository
from auth_service.api_keys.repository import ApiKey, NewKey
from auth_service.api_keys.schemas import ApiKeyRequest
from auth_service.audit import service as audit
from auth_service.audit.service import Act
from auth_service.context import AuthContext
from auth_service.errors import InvalidApiKeyError
from auth_service.security import api_keys
from auth_service.security.access_tokens import Subject
from auth_service.security.roles import capped, role_of, scopes_of, with_implied
from auth_service.signing_keys.keyring import Signer
from shared.database import Tx
from shared.errors import ConflictError, ForbiddenError, ValidationError
from shared.models.identity import Identity
from shared.utils.ids import uuid7


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What a key becomes for a few minutes."""

    access_token: str
    expires_in: int
    tenant_id: UUID
    key_id: UUID
    scopes: Sequence[str]


async def create(
    tx: Tx, auth: AuthContext, identity: Identity, body: ApiKeyRequest, act: Act
) -> tuple[ApiKey, str]:
    """A new key and its secret."""
    if body.expires_at is not None and body.expires_at <= auth.now():
        raise ValidationError("expires_at is in the past", field="expires_at")
    scopes = with_implied(body.scopes)
    require_within_own(identity, scopes)
    key, secret = await _issue(tx, auth, identity, body.name, scopes, body.expires_at)
    await _note(tx, auth, act, "api_key.created", key, {"name": key.name, "scopes": key.scopes})
    return key, secret


def require_within_own(identity: Identity, scopes: Sequence[str]) -> None:
    """Raises `ForbiddenError` for scopes the maker of a key does not hold."""
    own = set(scopes_of(identity.role))
    if identity.kind == "api_key":
        own &= identity.scopes
    if not set(scopes) <= own:
        raise ForbiddenError("A key cannot do more than whoever makes it", field="scopes")


async def _issue(
    tx: Tx,
    auth: AuthContext,
    identity: Identity,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
) -> tuple[ApiKey, str]:
    secret = api_keys.generate()
    new = NewKey(
        tenant_id=identity.tenant_id,
        id=uuid7(),
        name=name,
        prefix=api_keys.shown_prefix(secret),
        key_hash=api_keys.digest(auth.pepper, secret),
        scopes=list(scopes),
        created_by=await _person_behind(tx, identity),
        created_at=auth.now(),
        expires_at=expires_at,
    )
    return await repository.insert(tx, new), secret


async def _person_behind(tx: Tx, identity: Identity) -> UUID:
    """Keys made by a key belong to the person who made the first one."""
    if identity.kind == "user":
        return identity.user_id
    return (await repository.get_or_404(tx, identity.tenant_id, identity.user_id)).created_by


async def rotate(
    tx: Tx, auth: AuthContext, identity: Identity, key_id: UUID, overlap_seconds: int, act: Act
) -> tuple[ApiKey, str]:
    """A successor with the same name, scopes and expiry; the old key ends after the overlap."""
    old = await repository.get_or_404(tx, identity.tenant_id, key_id, lock=True)
    if not old.is_live(auth.now()) or old.replaced_by is not None:
        raise ConflictError("This key is revoked, expired or already replaced")
    require_within_own(identity, old.scopes)
    new, secret = await _issue(tx, auth, identity, old.name, old.scopes, old.expires_at)
    ends_at = auth.now() + timedelta(seconds=overlap_seconds)
    await repository.replace(tx, old.tenant_id, old.id, new.id, ends_at)
    if overlap_seconds == 0:
        await _end(tx, auth, old, "rotated")
    await _note(tx, auth, act, "api_key.rotated", old, {"replaced_by": str(new.id)})
    return new, secret


async def revoke(tx: Tx, auth: AuthContext, identity: Identity, key_id: UUID, act: Act) -> None:
    """End a key at once. Doing it twice is no error."""
    key = await repository.get_or_404(tx, identity.tenant_id, key_id, lock=True)
    if key.revoked_at is None:
        await _end(tx, auth, key, "revoked")
        await _note(tx, auth, act, "api_key.revoked", key, {"name": key.name})


async def _end(tx: Tx, auth: AuthContext, key: ApiKey, reason: str) -> None:
    await repository.revoke(tx, key.tenant_id, key.id, auth.now())
    # Access tokens carry the key's id as session: this stops those already handed out.
    await notices.session_revoked(tx, auth, key.tenant_id, key.id, None, reason)


async def _note(
    tx: Tx, auth: AuthContext, act: Act, action: audit.Action, key: ApiKey, changes: dict[str, object]
) -> None:
    changes = {"prefix": key.prefix} | changes
    await audit.record(
        tx, auth, act, action, tenant_id=key.tenant_id, target=("api_key", key.id), changes=changes
    )


async def exchange(tx: Tx, auth: AuthContext, signer: Signer, key: str) -> Exchanged:
    """A short access token for a key, in a system transaction. Raises `InvalidApiKeyError`."""
    if not api_keys.is_well_formed(key):
        raise InvalidApiKeyError
    now = auth.now()
    found = await repository.usable(tx, api_keys.digest(auth.pepper, key), now)
    if found is None:
        raise InvalidApiKeyError
    record, creator = found
    scopes = capped(record.scopes, creator.role)
    role = role_of(scopes)
    if role is None:
        raise InvalidApiKeyError
    auth.usage.note(record.tenant_id, record.id, now)
    subject = Subject(
        user_id=record.id,
        tenant_id=record.tenant_id,
        role=role,
        scopes=scopes,
        session_id=record.id,
        email_verified=creator.is_proven,
        kind="api_key",
    )
    ttl = _life_of_token(auth, record, now)
    token = signer.access_token(subject, timedelta(seconds=ttl))
    return Exchanged(token, ttl, record.tenant_id, record.id, scopes)


def _life_of_token(auth: AuthContext, key: ApiKey, now: datetime) -> int:
    """Seconds; never beyond the key's own expiry."""
    longest = auth.settings.api_key_token
    if key.expires_at is None:
        return longest
    return max(1, min(longest, int((key.expires_at - now).total_seconds())))
