"""Shapes other services use."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from auth_service.schemas import Body, Email, Language, Password, PersonName
from shared.models.identity import Role


class InternalUserRequest(Body):
    """A new member of a tenant. Without a password the member sets one by the reset mail."""

    tenant_id: UUID
    email: Email
    password: Password | None = None
    first_name: PersonName = ""
    last_name: PersonName = ""
    language: Language = "en"
    role: Role = "viewer"


class ExchangeRequest(Body):
    key: Annotated[str, Field(max_length=200)]


class ExchangedKey(BaseModel):
    """`expires_in` in seconds."""

    access_token: str
    expires_in: int
    tenant_id: UUID
    key_id: UUID
    scopes: list[str]
