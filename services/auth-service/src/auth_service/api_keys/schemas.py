"""Shapes of API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from auth_service.api_keys.repository import ApiKey
from auth_service.schemas import Body, KeyName
from auth_service.security.roles import Scope


class ApiKeyRequest(Body):
    """`scopes` at most the creator's own; a higher scope includes the lower ones. No expiry unless given."""

    name: KeyName
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=3)]
    expires_at: AwareDatetime | None = None


class RotateRequest(Body):
    """How long the old key goes on working beside the new one, at most a week."""

    overlap_seconds: Annotated[int, Field(ge=0, le=7 * 86400)] = 0


class ApiKeyOut(BaseModel):
    """A key without its secret."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_by: UUID
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    replaced_by: UUID | None

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls(
            id=key.id,
            name=key.name,
            prefix=key.prefix,
            scopes=key.scopes,
            created_by=key.created_by,
            created_at=key.created_at,
            expires_at=key.expires_at,
            last_used_at=key.last_used_at,
            revoked_at=key.revoked_at,
            replaced_by=key.replaced_by,
        )


class NewApiKey(BaseModel):
    """`key` is shown this once and stored nowhere."""

    key: str
    api_key: ApiKeyOut
