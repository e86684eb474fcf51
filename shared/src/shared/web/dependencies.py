"""What a route asks for by type: the caller, a transaction, a page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer

from shared.database import Tx
from shared.errors import EmailNotVerifiedError, ForbiddenError, NotFoundError
from shared.models.identity import Identity, Role
from shared.utils.auth import bearer_token, service_caller
from shared.web.runtime import Runtime

PATIENCE_HEADER = "x-internal-patience"
"""Milliseconds after which the gateway gives a silent service up. Clients cannot send it."""

_bearer = HTTPBearer(auto_error=False, description="Access token of /auth/login")
_service_key = APIKeyHeader(name="X-Service-Key", auto_error=False, scheme_name="ServiceKey")


# Dependencies are coroutines even where nothing is awaited: FastAPI runs each plain function in a thread.
async def get_runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


RuntimeDep = Annotated[Runtime, Depends(get_runtime)]


async def current_identity(
    request: Request, runtime: RuntimeDep, _: Annotated[object, Depends(_bearer)]
) -> Identity:
    """The caller by access token; 401 without a valid one."""
    identity = await runtime.verifier.identity(bearer_token(request))
    request.state.tenant_id = identity.tenant_id
    return identity


CurrentUser = Annotated[Identity, Depends(current_identity)]


def require_role(least: Role) -> Callable[[Identity], Awaitable[Identity]]:
    """Dependency: the caller when their role is `least` or above; else 403."""

    async def check(identity: CurrentUser) -> Identity:
        if not identity.has_role(least):
            raise ForbiddenError(_too_little(identity, least))
        return identity

    return check


def _too_little(identity: Identity, least: Role) -> str:
    scope = {"operator": "write", "admin": "admin"}.get(least)
    if identity.kind == "api_key" and scope is not None:
        return f"This needs an API key with the scope {scope}"
    return f"This needs the role {least} or above"


OperatorUser = Annotated[Identity, Depends(require_role("operator"))]
AdminUser = Annotated[Identity, Depends(require_role("admin"))]
OwnerUser = Annotated[Identity, Depends(require_role("owner"))]


def require_proven(identity: Identity, runtime: Runtime) -> None:
    """Raises EmailNotVerifiedError for who has to prove their address before they write to others."""
    if not runtime.config.require_verified_email or identity.email_verified:
        return
    if identity.kind == "api_key":
        raise EmailNotVerifiedError(
            "Whoever made this API key has to confirm their e-mail address before it sends"
        )
    raise EmailNotVerifiedError


async def _sender(identity: OperatorUser, runtime: RuntimeDep) -> Identity:
    require_proven(identity, runtime)
    return identity


SenderUser = Annotated[Identity, Depends(_sender)]
"""An operator who may write to others: who has proven their address, or need not; else 403."""


async def tenant_from_path(tenant_id: UUID, identity: CurrentUser) -> UUID:
    """The `{tenant_id}` of the path, which must be the caller's own; else 404."""
    if tenant_id != identity.tenant_id:
        raise NotFoundError
    return tenant_id


TenantPath = Annotated[UUID, Depends(tenant_from_path)]


def _patience(request: Request) -> int | None:
    """How many milliseconds a statement may take before nobody waits for it any more; None: as usual."""
    given = request.headers.get(PATIENCE_HEADER, "")
    return int(given) if re.fullmatch(r"[1-9][0-9]{0,7}", given) else None


async def _tenant_transaction(
    request: Request, identity: CurrentUser, runtime: RuntimeDep
) -> AsyncIterator[Tx]:
    async with runtime.db.tenant_tx(identity.tenant_id, patience=_patience(request)) as tx:
        yield tx


async def _read_transaction(
    request: Request, identity: CurrentUser, runtime: RuntimeDep
) -> AsyncIterator[Tx]:
    patience = _patience(request)
    async with runtime.db.tenant_tx(identity.tenant_id, read_only=True, patience=patience) as tx:
        yield tx


async def _system_transaction(runtime: RuntimeDep) -> AsyncIterator[Tx]:
    async with runtime.db.system_tx() as tx:
        yield tx


# scope="function": committed before the answer leaves, so that an answer is never a promise that broke.
TenantTx = Annotated[Tx, Depends(_tenant_transaction, scope="function")]
ReadTx = Annotated[Tx, Depends(_read_transaction, scope="function")]
SystemTx = Annotated[Tx, Depends(_system_transaction, scope="function")]


async def _caller(request: Request, _: Annotated[object, Depends(_service_key)]) -> str:
    return service_caller(request)


ServiceCaller = Annotated[str, Depends(_caller)]
