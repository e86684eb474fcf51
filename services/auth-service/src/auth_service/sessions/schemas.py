"""Shapes of sessions and tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from auth_service.schemas import Body
from auth_service.tenants.schemas import TenantOut
from auth_service.users.schemas import UserOut
from shared.models.identity import Role


class TokensOut(BaseModel):
    """`expires_in` is the life of the access token in seconds."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    session_id: UUID
    refresh_expires_at: datetime


class SignedIn(BaseModel):
    user: UserOut
    tenant: TenantOut
    tokens: TokensOut


class Refreshed(BaseModel):
    tokens: TokensOut


class RefreshRequest(Body):
    refresh_token: Annotated[str, Field(min_length=1, max_length=512)]


class SessionOut(BaseModel):
    """One signed-in device. `is_current` marks the one that asks."""

    id: UUID
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ip: str | None
    user_agent: str | None
    is_current: bool


class Revoked(BaseModel):
    """How many sessions were ended."""

    revoked: int


class ApiKeyIdentity(BaseModel):
    id: UUID
    name: str
    scopes: list[str]


class Me(BaseModel):
    """The caller: `user` for people, `api_key` for programs."""

    kind: Literal["user", "api_key"]
    role: Role
    scopes: list[str]
    session_id: str | None
    user: UserOut | None
    api_key: ApiKeyIdentity | None
    tenant: TenantOut


class ValidateRequest(Body):
    """Without `token`, the token of the request itself is checked."""

    token: Annotated[str, Field(max_length=8192)] | None = None


class Validity(BaseModel):
    """Whether a token works now: signature, times, session and account."""

    valid: bool
    user_id: UUID | None
    tenant_id: UUID | None
    role: Role | None
    scopes: list[str]
    session_id: str | None
    expires_at: datetime | None
