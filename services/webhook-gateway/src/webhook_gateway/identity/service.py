"""Turns a credential into a caller, without asking anybody when it was just asked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

from shared.errors import AppError, UnauthorizedError, ValidationError
from shared.errors import NotFoundError as KeyNotFoundError
from shared.models.identity import Identity
from shared.utils.clock import Clock
from shared.utils.service_client import ServiceClient
from shared.utils.tokens import TokenVerifier
from webhook_gateway.identity.credentials import Credential
from webhook_gateway.identity.lru import ExpiringLru
from webhook_gateway.identity.revoked import RevokedSessions

TOKEN_CACHE_SECONDS = 30.0
KEY_CACHE_SECONDS = 60.0
BAD_KEY_CACHE_SECONDS = 10.0
_CACHE_SIZE = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what to send to the services as proof."""

    identity: Identity
    token: str
    limit_key: str

    @property
    def authorization(self) -> bytes:
        return b"Bearer " + self.token.encode()


@dataclass(frozen=True, slots=True)
class _ExchangedKey:
    caller: Caller | None
    """None: auth-service does not know the key."""


class Authenticator:
    """Verifies tokens and exchanges API keys.

    A verified token is believed for 30 s, an exchanged key for 60 s, an unknown key is refused for 10 s.
    While auth-service cannot be reached, a key goes on with the token it last got, until that ends.
    """

    def __init__(
        self,
        verifier: TokenVerifier,
        http: ServiceClient,
        auth_url: str,
        revoked: RevokedSessions,
        clock: Clock,
    ) -> None:
        self._verifier = verifier
        self._http = http
        self._exchange_url = f"{auth_url}/internal/api-keys/exchange"
        self._revoked = revoked
        self._clock = clock
        self._tokens: ExpiringLru[Caller] = ExpiringLru(_CACHE_SIZE, clock.monotonic)
        self._keys: ExpiringLru[_ExchangedKey] = ExpiringLru(_CACHE_SIZE, clock.monotonic)
        self._last_good: ExpiringLru[Caller] = ExpiringLru(_CACHE_SIZE, clock.monotonic)
        self._exchanges: dict[str, asyncio.Task[_ExchangedKey]] = {}

    def remembers(self, key: str) -> bool:
        """Whether an API key was exchanged lately, so that trying it costs auth-service nothing."""
        return self._keys.get(key) is not None

    async def authenticate(self, credential: Credential) -> Caller:
        """The caller. `UnauthorizedError` for what is not valid, 503 when auth-service is needed and away."""
        if credential.token is not None:
            caller = await self._by_token(credential.token)
        else:
            caller = await self._by_key(credential.key or "")
        if caller.identity.session_id in self._revoked:
            if caller.identity.kind == "api_key":
                raise UnauthorizedError("The API key has been revoked", details={"reason": "KEY_REVOKED"})
            raise UnauthorizedError("The session has been ended", details={"reason": "SESSION_REVOKED"})
        return caller

    async def _by_token(self, token: str) -> Caller:
        caller = self._tokens.get(token)
        if caller is None:
            claims = await self._verifier.claims(token)
            try:
                identity = Identity.from_claims(claims)
            except ValueError:
                raise UnauthorizedError("The access token is not valid") from None
            caller = Caller(identity, token, f"{_limit_kind(identity)}:{identity.user_id}")
            left = float(claims["exp"]) - self._clock.now().timestamp()
            self._tokens.put(token, caller, min(left, TOKEN_CACHE_SECONDS))
        return caller

    async def _by_key(self, key: str) -> Caller:
        exchanged = self._keys.get(key)
        if exchanged is None:
            # Shielded: the exchange is shared, so one client that hangs up must not cancel it for the others.
            exchanged = await asyncio.shield(self._exchange_once(key))
        if exchanged.caller is None:
            raise UnauthorizedError("The API key is not valid")
        return exchanged.caller

    def _exchange_once(self, key: str) -> asyncio.Task[_ExchangedKey]:
        task = self._exchanges.get(key)
        if task is None:
            task = asyncio.create_task(self._exchange(key))
            self._exchanges[key] = task
            task.add_done_callback(lambda done: self._exchange_ended(key, done))
        return task

    def _exchange_ended(self, key: str, task: asyncio.Task[_ExchangedKey]) -> None:
        self._exchanges.pop(key, None)
        if not task.cancelled():
            task.exception()  # read here in case every client that waited for it has gone

    async def _exchange(self, key: str) -> _ExchangedKey:
        try:
            answer = await self._http.post(self._exchange_url, json={"key": key})
        except (UnauthorizedError, KeyNotFoundError, ValidationError):
            self._last_good.discard(key)
            refused = _ExchangedKey(None)
            self._keys.put(key, refused, BAD_KEY_CACHE_SECONDS)
            return refused
        except AppError:
            known = self._last_good.get(key)
            if known is None:
                raise
            return _ExchangedKey(known)
        return await self._keep(key, answer.data or {})

    async def _keep(self, key: str, data: dict[str, object]) -> _ExchangedKey:
        caller = await self._by_token(str(data["access_token"]))
        caller = Caller(caller.identity, caller.token, f"key:{UUID(str(data['key_id']))}")
        lifetime = float(str(data.get("expires_in", KEY_CACHE_SECONDS)))
        exchanged = _ExchangedKey(caller)
        self._keys.put(key, exchanged, min(lifetime, KEY_CACHE_SECONDS))
        self._last_good.put(key, caller, lifetime)
        return exchanged


def _limit_kind(identity: Identity) -> str:
    return "key" if identity.kind == "api_key" else "user"
