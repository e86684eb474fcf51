"""The keys of this process: signs with the active one, publishes all of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import jwt

from auth_service.security.access_tokens import Subject, public_jwk, sign
from auth_service.settings import AuthSettings
from auth_service.signing_keys import repository, service
from auth_service.signing_keys.repository import SigningKey
from shared.database import SimpleDatabase
from shared.errors import ConfigurationError
from shared.utils.clock import Clock
from shared.utils.tokens import FetchJwks, JwksCache

# So soon does every process follow a rotation, also an emergency one.
_RELOAD_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Signer:
    """The active key, ready to sign."""

    kid: str
    private: bytes
    issuer: str
    clock: Clock

    def access_token(self, subject: Subject, ttl: timedelta) -> str:
        return sign(
            subject, kid=self.kid, private=self.private, issuer=self.issuer, now=self.clock.now(), ttl=ttl
        )


class KeyRing:
    """Published keys, read again every ten seconds. Makes the first key of an installation."""

    def __init__(self, db: SimpleDatabase, settings: AuthSettings, clock: Clock) -> None:
        self._db = db
        self._settings = settings
        self._clock = clock
        self._box = service.key_box(settings)
        self._keys: list[SigningKey] = []
        self._loaded_at = float("-inf")
        self._lock = asyncio.Lock()

    async def signer(self) -> Signer:
        """Takes a connection now and then: call it before a transaction, never inside one.

        Raises `ConfigurationError` when JWT_SECRET has changed.
        """
        active = next(key for key in await self._current() if key.state == "active")
        assert active.private_key is not None
        try:
            private = self._box.open(active.private_key, active.kid)
        except ValueError:
            raise ConfigurationError(
                "JWT_SECRET is not what the signing keys were sealed with: set it back, or replace the keys"
                " with `python -m auth_service rotate-keys --emergency`",
                field="JWT_SECRET",
            ) from None
        return Signer(active.kid, private, self._settings.issuer, self._clock)

    async def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public document (RFC 7517)."""
        return {"keys": [public_jwk(key.kid, key.public_x) for key in await self._current()]}

    def forget(self) -> None:
        """Read the keys again at the next use."""
        self._loaded_at = float("-inf")

    async def _current(self) -> list[SigningKey]:
        async with self._lock:
            if self._clock.monotonic() - self._loaded_at >= _RELOAD_SECONDS:
                self._keys = await self._load()
                self._loaded_at = self._clock.monotonic()
            return self._keys

    async def _load(self) -> list[SigningKey]:
        async with self._db.plain_tx() as tx:
            keys = await repository.published(tx)
            if not any(key.state == "active" for key in keys):
                await service.advance(tx, self._settings, self._clock.now())
                keys = await repository.published(tx)
        return keys


class OwnKeys(JwksCache):
    """Verifier keys of auth-service itself: from its own table, without asking itself over HTTP.

    `fetch` adds the keys of another source, for tests that sign tokens of their own.
    """

    def __init__(self, keyring: KeyRing, fetch: FetchJwks | None = None) -> None:
        super().__init__()
        self._keyring = keyring
        self._also = fetch

    async def get(self, kid: str) -> jwt.PyJWK | None:
        documents = [await self._keyring.jwks()]
        if self._also is not None:
            documents.append(await self._also())
        keys = [key for document in documents for key in document["keys"] if key["kid"] == kid]
        return jwt.PyJWK(keys[0], algorithm="EdDSA") if keys else None
