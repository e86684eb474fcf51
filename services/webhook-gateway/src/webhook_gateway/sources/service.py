"""Webhook sources: their tokens, their secrets, and finding one by the token a sender shows."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, replace
from uuid import UUID

from shared.database import SimpleDatabase, Tx
from shared.errors import ConflictError, NotFoundError, UnprocessableError
from shared.utils.clock import Clock, utc_now
from shared.utils.crypto import SecretBox, derive_key
from shared.utils.ids import uuid7
from webhook_gateway.identity.lru import ExpiringLru
from webhook_gateway.ingest.signatures import HmacScheme
from webhook_gateway.sources import repository
from webhook_gateway.sources.repository import Source
from webhook_gateway.sources.schemas import (
    MADE_SECRET_TYPES,
    SIGNED_TYPES,
    SourceCreated,
    SourceIn,
    SourceOut,
    SourcePatch,
)

TOKEN_PREFIX = "whk_"  # noqa: S105  # a prefix that secret scanners can look for
_KNOWN_SECONDS = 300.0
_UNKNOWN_SECONDS = 2.0
_CACHE_SIZE = 10_000
_MAX_TOKEN = 200


class SourceNameTakenError(ConflictError):
    code = "WEBHOOK_SOURCE_EXISTS"


def hash_token(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


class SourceService:
    """Makes and changes sources. `public_url` is where senders reach the gateway."""

    def __init__(self, secret: str, public_url: str) -> None:
        self._box = SecretBox(derive_key(secret, "webhook signing secrets"))
        self._public_url = public_url.rstrip("/")

    async def create(self, tx: Tx, tenant_id: UUID, body: SourceIn) -> SourceCreated:
        """A new source with its token. Raises `SourceNameTakenError`."""
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        signing = body.signing_secret
        if signing is None and body.type in MADE_SECRET_TYPES:
            signing = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        if signing is None and body.settings.signature is not None:
            signing = secrets.token_urlsafe(32)
        source_id = uuid7()
        draft = _draft(tenant_id, source_id, body, token, self._seal(source_id, signing))
        stored = await repository.insert(tx, draft, hash_token(token))
        if stored is None:
            raise SourceNameTakenError("A source of this name exists", field="name")
        return self._created(stored, token, signing)

    async def change(
        self, tx: Tx, tenant_id: UUID, source_id: UUID, patch: SourcePatch
    ) -> SourceOut | SourceCreated:
        """The changed source, with its token when a new one was made."""
        current = await repository.get(tx, tenant_id, source_id, lock=True)
        if current is None:
            raise NotFoundError("No such webhook source")
        _check_patch(current, patch)
        token = TOKEN_PREFIX + secrets.token_urlsafe(32) if patch.rotate_token else None
        stored = await repository.update(
            tx, self._merged(current, patch, token), hash_token(token) if token else None
        )
        if stored is None:
            raise SourceNameTakenError("A source of this name exists", field="name")
        return self._created(stored, token, None) if token else to_output(stored)

    def signing_secret(self, source: Source) -> str:
        """The secret in clear, empty when the source has none."""
        if source.signing_secret is None:
            return ""
        return self._box.open(source.signing_secret, str(source.id)).decode()

    def _seal(self, source_id: UUID, secret: str | None) -> bytes | None:
        return self._box.seal(secret.encode(), str(source_id)) if secret is not None else None

    def _merged(self, current: Source, patch: SourcePatch, token: str | None) -> Source:
        return replace(
            current,
            name=patch.name if patch.name is not None else current.name,
            is_enabled=patch.is_enabled if patch.is_enabled is not None else current.is_enabled,
            settings=patch.settings.model_dump(exclude_none=True) if patch.settings else current.settings,
            signing_secret=self._seal(current.id, patch.signing_secret) or current.signing_secret,
            token_hint=token[-4:] if token else current.token_hint,
        )

    def _created(self, source: Source, token: str, signing: str | None) -> SourceCreated:
        return SourceCreated(
            **to_output(source).model_dump(),
            token=token,
            signing_secret=signing,
            url=f"{self._public_url}/hooks/{token}",
        )


def to_output(source: Source) -> SourceOut:
    return SourceOut.model_validate(
        {
            "id": source.id,
            "name": source.name,
            "type": source.type,
            "is_enabled": source.is_enabled,
            "is_signed": source.signing_secret is not None,
            "token_hint": source.token_hint,
            "settings": source.settings,
            "created_at": source.created_at,
            "updated_at": source.updated_at,
        }
    )


def _draft(tenant_id: UUID, source_id: UUID, body: SourceIn, token: str, sealed: bytes | None) -> Source:
    now = utc_now()  # the database sets its own
    return Source(
        tenant_id=tenant_id,
        id=source_id,
        name=body.name,
        type=body.type,
        token_hint=token[-4:],
        signing_secret=sealed,
        settings=body.settings.model_dump(exclude_none=True),
        is_enabled=True,
        version=1,
        created_at=now,
        updated_at=now,
    )


def _check_patch(current: Source, patch: SourcePatch) -> None:
    has_scheme = patch.settings is not None and patch.settings.signature is not None
    if has_scheme and current.type != "generic":
        raise UnprocessableError("Only a generic source takes signature settings", field="settings.signature")
    if has_scheme and not (current.signing_secret or patch.signing_secret):
        raise UnprocessableError("Signature settings need a signing_secret", field="signing_secret")
    if patch.signing_secret is not None and current.type not in SIGNED_TYPES | {"generic"}:
        raise UnprocessableError(f"A {current.type} source is not signed", field="signing_secret")


@dataclass(frozen=True, slots=True)
class KnownSource:
    """A source ready for verification: secret in clear, scheme parsed."""

    source: Source
    signing_secret: str
    scheme: HmacScheme
    """Of generic sources with a secret; others have the scheme of their type."""


class SourceDirectory:
    """Sources by token, remembered for five minutes (unknown tokens for two seconds).

    What is remembered may be out of date: storing a webhook compares the version and tells, and a refusal is
    to be tried again on what is written now.
    """

    def __init__(self, db: SimpleDatabase, service: SourceService, clock: Clock) -> None:
        self._db = db
        self._service = service
        self._known: ExpiringLru[KnownSource] = ExpiringLru(_CACHE_SIZE, clock.monotonic)
        self._unknown: ExpiringLru[bool] = ExpiringLru(_CACHE_SIZE, clock.monotonic)

    def remembers(self, token: str) -> bool:
        return self._known.get(token) is not None

    async def find(self, token: str) -> KnownSource | None:
        known = self._known.get(token)
        if known is not None:
            return known
        if len(token) > _MAX_TOKEN or self._unknown.get(token):
            return None
        source = await repository.find_by_token(self._db, hash_token(token))
        if source is None:
            self._unknown.put(token, True, _UNKNOWN_SECONDS)
            return None
        signature = source.settings.get("signature")
        secret = self._service.signing_secret(source)
        known = KnownSource(source, secret, HmacScheme(**(signature or {})))
        self._known.put(token, known, _KNOWN_SECONDS)
        return known

    def forget(self, token: str) -> None:
        self._known.discard(token)
