"""Shapes of members."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel

from auth_service.schemas import Body, Language, PersonName
from auth_service.users.repository import Member
from shared.models.identity import Role


class UserOut(BaseModel):
    """A member of a tenant."""

    id: UUID
    tenant_id: UUID
    email: str
    email_verified: bool
    first_name: str
    last_name: str
    language: str
    role: Role
    status: Literal["active", "disabled"]
    last_login_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, member: Member) -> Self:
        return cls(
            id=member.id,
            tenant_id=member.tenant_id,
            email=member.email,
            email_verified=member.is_proven,
            first_name=member.first_name,
            last_name=member.last_name,
            language=member.language,
            role=member.role,
            status=member.status,
            last_login_at=member.last_login_at,
            created_at=member.created_at,
        )


class ProfileChanges(Body):
    """Only what is given is changed."""

    first_name: PersonName | None = None
    last_name: PersonName | None = None
    language: Language | None = None


class MemberChanges(Body):
    """Only what is given is changed. A changed role or a disabled member ends the member's sessions."""

    role: Role | None = None
    status: Literal["active", "disabled"] | None = None
