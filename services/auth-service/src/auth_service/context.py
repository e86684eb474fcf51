"""What auth-service has beyond the common runtime, and where a request comes from."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, cast

from fastapi import Depends, Request

from auth_service.api_keys.usage import KeyUsage
from auth_service.security.passwords import PasswordHasher
from auth_service.security.throttling import network_of
from auth_service.settings import AuthSettings
from auth_service.signing_keys.keyring import KeyRing, Signer
from shared.database import SimpleDatabase
from shared.events import EventBus
from shared.jobs import JobRunner
from shared.utils.clock import Clock
from shared.utils.crypto import SecretBox
from shared.web import RuntimeDep

_USER_AGENT_LENGTH = 300


@dataclass(frozen=True, slots=True)
class AuthContext:
    """`box` seals what must be read again (session keys, signing keys); `pepper` keys the API key digests."""

    settings: AuthSettings
    clock: Clock
    db: SimpleDatabase
    events: EventBus
    jobs: JobRunner
    hasher: PasswordHasher
    keyring: KeyRing
    box: SecretBox
    pepper: bytes
    usage: KeyUsage

    def now(self) -> datetime:
        return self.clock.now()

    @property
    def access_ttl(self) -> timedelta:
        return timedelta(seconds=self.settings.jwt_expires_in)


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """From where a request came, for limits and the audit log."""

    ip: str | None = None
    user_agent: str | None = None
    request_id: str | None = None

    @property
    def network(self) -> str:
        return network_of(self.ip)


def _auth_context(runtime: RuntimeDep) -> AuthContext:
    return cast(AuthContext, runtime.extras["auth"])


AuthDep = Annotated[AuthContext, Depends(_auth_context)]


async def _signer(auth: AuthDep) -> Signer:
    return await auth.keyring.signer()


# Ask for it before a transaction: loading the key takes a connection of its own.
SignerDep = Annotated[Signer, Depends(_signer)]


def _request_info(request: Request) -> RequestInfo:
    agent = request.headers.get("user-agent", "")
    return RequestInfo(
        ip=_client_ip(request),
        user_agent=agent[:_USER_AGENT_LENGTH] or None,
        request_id=getattr(request.state, "request_id", None),
    )


Origin = Annotated[RequestInfo, Depends(_request_info)]


def _client_ip(request: Request) -> str | None:
    """The peer, or what the gateway says when the peer is on our own network.

    The gateway drops the forwarding headers of its clients, so the last entry is its own.
    """
    peer = request.client.host if request.client else None
    forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return forwarded if forwarded and _is_address(forwarded) and _is_inside(peer) else peer


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_inside(peer: str | None) -> bool:
    return peer is not None and _is_address(peer) and ipaddress.ip_address(peer).is_private
