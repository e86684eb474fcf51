"""FastAPI dependencies that tell who calls."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import HTTPException, Request

from shared.config import get_common_config
from shared.errors import AppError, UnauthorizedError
from shared.utils.tokens import JwksCache, TokenVerifier


def bearer_token(request: Request) -> str:
    """The token of the Authorization header; 401 when there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthorizedError
    return token.strip()


def verifier_of(request: Request) -> TokenVerifier:
    """The app's verifier; an app not made by `create_service_app` gets one from the environment."""
    state = request.app.state
    runtime = getattr(state, "runtime", None)
    if runtime is not None:
        verifier: TokenVerifier = runtime.verifier
        return verifier
    if not hasattr(state, "token_verifier"):
        state.token_verifier = TokenVerifier(JwksCache(), get_common_config().issuer)
    default: TokenVerifier = state.token_verifier
    return default


@contextmanager
def _answered(request: Request) -> Iterator[None]:
    """An app not made by `create_service_app` does not know our errors, and would answer 500."""
    try:
        yield
    except AppError as error:
        if AppError in request.app.exception_handlers:
            raise
        raise HTTPException(error.status, error.message, error.headers) from None


def require_jwt_auth() -> Callable[[Request], Awaitable[dict[str, Any]]]:
    """Dependency: the verified claims as a dict with at least `user_id`, `tenant_id` and `role`; else 401."""

    async def claims(request: Request) -> dict[str, Any]:
        with _answered(request):
            verified = await verifier_of(request).claims(bearer_token(request))
        verified.setdefault("user_id", verified["sub"])
        return verified

    return claims


def service_caller(request: Request, extra_keys: tuple[str, ...] = ()) -> str:
    """Name of the calling service by its X-Service-Key; 401 for a missing or unknown key.

    Every accepted key is compared in constant time, also after a match.
    """
    given = request.headers.get("x-service-key", "").encode()
    runtime = getattr(request.app.state, "runtime", None)
    config = runtime.config if runtime is not None else get_common_config()
    accepted = dict.fromkeys(extra_keys, "service") | config.accepted_service_keys()
    caller = ""
    for key, name in accepted.items():
        if hmac.compare_digest(key.encode(), given):
            caller = name
    if not caller:
        raise UnauthorizedError("A service key is required")
    return caller


def require_service_auth(*keys: str) -> Callable[[Request], bool]:
    """Dependency for `/internal/*`: True for one of `keys` or of INTERNAL_SERVICE_KEYS; else 401."""

    def authenticated(request: Request) -> bool:
        with _answered(request):
            service_caller(request, keys)
        return True

    return authenticated
