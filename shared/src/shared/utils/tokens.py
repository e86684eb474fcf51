"""Verification of access tokens against auth-service's published keys."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import jwt
from jwt.exceptions import InvalidTokenError
from jwt.utils import base64url_decode

from shared.config import get_service_url
from shared.errors import ServiceUnavailableError, UnauthorizedError
from shared.models.identity import Identity
from shared.utils.clock import Clock, SystemClock

AUDIENCE = "tidings"
LEEWAY_SECONDS = 30
_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]
_MAX_JWKS_BYTES = 64 * 1024
_FRESH_SECONDS = 600.0
_COOL_DOWN_SECONDS = 30.0
_REMEMBERED = 4096

FetchJwks = Callable[[], Awaitable[dict[str, Any]]]


async def fetch_jwks_from_auth_service() -> dict[str, Any]:
    """The key set of auth-service. Redirects are not followed; at most 64 KiB and two seconds."""
    async with httpx.AsyncClient(timeout=2.0, follow_redirects=False) as client:
        answer = await client.get(f"{get_service_url('auth-service')}/.well-known/jwks.json")
    answer.raise_for_status()
    if len(answer.content) > _MAX_JWKS_BYTES:
        raise ValueError("the key set is larger than 64 KiB")
    keys: dict[str, Any] = json.loads(answer.content)
    return keys


class JwksCache:
    """Keys by `kid`: fresh for ten minutes, kept while auth-service is away.

    An unknown `kid` causes one fetch, at most every 30 s, so that invented ids cannot flood auth-service.
    """

    def __init__(self, fetch: FetchJwks = fetch_jwks_from_auth_service, clock: Clock | None = None) -> None:
        self._fetch = fetch
        self._clock = clock or SystemClock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def get(self, kid: str) -> jwt.PyJWK | None:
        """The key, or None when auth-service does not publish it. 503 while no key was ever fetched."""
        fresh = self._clock.monotonic() - self._fetched_at < _FRESH_SECONDS
        if not (fresh and kid in self._keys):
            await self._refresh(kid)
        if not self._keys:
            raise ServiceUnavailableError("auth-service has not published its keys yet", retry_after=2)
        return self._keys.get(kid)

    async def _refresh(self, kid: str) -> None:
        async with self._lock:
            now = self._clock.monotonic()
            fresh = now - self._fetched_at < _FRESH_SECONDS
            cooling = now - self._tried_at < _COOL_DOWN_SECONDS and bool(self._keys)
            if (fresh and kid in self._keys) or cooling:
                return
            self._tried_at = now
            try:
                published = await self._fetch()
            except (httpx.HTTPError, ValueError):
                return
            self._keys = _parse_keys(published)
            self._fetched_at = now


def _parse_keys(published: dict[str, Any]) -> dict[str, jwt.PyJWK]:
    accepted = (key for key in published.get("keys", []) if key.get("kty") == "OKP" and key.get("kid"))
    return {key["kid"]: jwt.PyJWK(key, algorithm="EdDSA") for key in accepted}


class TokenVerifier:
    """Checks access tokens (RFC 8725, RFC 9068): Ed25519 only, keys only from our own key set.

    A token comes with many requests and stays the same: what was found out about its text is remembered, as
    long as the key that signed it is the one published. Its times are checked with each request.
    """

    def __init__(self, jwks: JwksCache, issuer: str, clock: Clock | None = None) -> None:
        self._jwks = jwks
        self._issuer = issuer
        self._clock = clock or SystemClock()
        self._verified: OrderedDict[bytes, tuple[str, jwt.PyJWK, dict[str, Any]]] = OrderedDict()

    async def claims(self, token: str) -> dict[str, Any]:
        """The verified claims; `UnauthorizedError` for everything that is not a valid access token."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        kid, key, claims = self._verified.get(digest, (None, None, None))
        if kid is None or claims is None or await self._jwks.get(kid) is not key:
            kid, key, claims = await self._verify(token)
            self._verified[digest] = (kid, key, claims)
            if len(self._verified) > _REMEMBERED:
                self._verified.popitem(last=False)
        self._check_times(claims)
        return dict(claims)

    async def _verify(self, token: str) -> tuple[str, jwt.PyJWK, dict[str, Any]]:
        """Everything but the times: the key's id, the key and the claims."""
        try:
            header = jwt.get_unverified_header(token)
        except (InvalidTokenError, ValueError, UnicodeError):
            raise UnauthorizedError("The access token is not valid") from None
        self._check_header(header)
        key = await self._jwks.get(header["kid"])
        if key is None:
            raise UnauthorizedError("The access token is not valid")
        return header["kid"], key, self._decode(token, key)

    async def identity(self, token: str) -> Identity:
        claims = await self.claims(token)
        try:
            return Identity.from_claims(claims)
        except ValueError:
            raise UnauthorizedError("The access token is not valid") from None

    @staticmethod
    def _check_header(header: dict[str, Any]) -> None:
        kid = header.get("kid")
        if (
            header.get("alg") != "EdDSA"
            or header.get("typ") != "at+jwt"
            or "crit" in header
            or not isinstance(kid, str)
        ):
            raise UnauthorizedError("The access token is not valid")

    def _decode(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        options: Any = {
            "require": _REQUIRED,
            "strict_aud": True,
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        }
        try:
            claims: dict[str, Any] = jwt.decode(
                token, key.key, algorithms=["EdDSA"], audience=AUDIENCE, issuer=self._issuer, options=options
            )
            json.loads(base64url_decode(token.split(".")[1]), object_pairs_hook=_refuse_duplicates)
        except (InvalidTokenError, ValueError):
            raise UnauthorizedError("The access token is not valid") from None
        return claims

    def _check_times(self, claims: dict[str, Any]) -> None:
        now = self._clock.now().timestamp()
        times = [claims["exp"], claims["iat"], claims.get("nbf", claims["iat"])]
        if not all(isinstance(t, (int, float)) and not isinstance(t, bool) for t in times):
            raise UnauthorizedError("The access token is not valid")
        if now > times[0] + LEEWAY_SECONDS:
            raise UnauthorizedError("The access token has expired", details={"reason": "TOKEN_EXPIRED"})
        if max(times[1], times[2]) > now + LEEWAY_SECONDS:
            raise UnauthorizedError("The access token is not valid yet")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    claims = dict(pairs)
    if len(claims) != len(pairs):
        raise ValueError("a claim stands twice")
    return claims
