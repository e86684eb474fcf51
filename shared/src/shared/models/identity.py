"""Who calls: users, tenants, token claims."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

Role = Literal["owner", "admin", "operator", "viewer"]
ROLE_RANK: dict[Role, int] = {"viewer": 0, "operator": 1, "admin": 2, "owner": 3}


class Tenant(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: UUID
    name: str
    slug: str | None = None
    time_zone: str = "UTC"
    is_active: bool = True
    created_at: datetime | None = None


class User(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: UUID
    tenant_id: UUID
    email: str
    first_name: str | None = None
    last_name: str | None = None
    role: Role = "viewer"
    is_active: bool = True
    email_verified: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None


class JwtPayload(BaseModel):
    """Claims of an access token. `user_id` repeats `sub` for older clients."""

    model_config = ConfigDict(extra="ignore")

    sub: str
    user_id: str
    tenant_id: str
    role: Role
    email: str | None = None
    email_verified: bool = False
    scope: str = ""
    sid: str | None = None
    iss: str
    aud: str
    exp: int
    iat: int
    jti: str | None = None
    knd: Literal["user", "api_key"] = "user"


@dataclass(frozen=True, slots=True)
class Identity:
    """The authenticated caller of a request, as services see it.

    `email_verified` tells whether the person has proven their address, for a key the person who made it. It
    is as old as the token: whoever has just verified refreshes first.
    """

    user_id: UUID
    tenant_id: UUID
    role: Role
    scopes: frozenset[str] = frozenset()
    session_id: str | None = None
    kind: Literal["user", "api_key"] = "user"
    email: str | None = None
    email_verified: bool = False

    @classmethod
    def from_claims(cls, claims: dict[str, Any]) -> Identity:
        payload = JwtPayload.model_validate(claims)
        return cls(
            user_id=UUID(payload.sub),
            tenant_id=UUID(payload.tenant_id),
            role=payload.role,
            scopes=frozenset(payload.scope.split()),
            session_id=payload.sid,
            kind=payload.knd,
            email=payload.email,
            email_verified=payload.email_verified,
        )

    def has_role(self, least: Role) -> bool:
        return ROLE_RANK[self.role] >= ROLE_RANK[least]
