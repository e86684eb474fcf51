"""Shapes of tags in requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, StringConstraints

from campaign_service.contacts.types import Line, Name, PatchBody, Slug, TenantBody

Color = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
Description = Annotated[Line, StringConstraints(max_length=1000)]


class TagIn(TenantBody):
    """A new tag. Slugs are kept as given, also with underscores; without one it is made from the name."""

    slug: Slug | None = None
    name: Name
    description: Description | None = None
    color: Color | None = None


class TagUpdate(PatchBody):
    """Fields that are given change."""

    slug: Slug = ""
    name: Name = ""
    description: Description | None = None
    color: Color | None = None

    @classmethod
    def required(cls) -> tuple[str, ...]:
        return ("slug", "name")


class TagOut(BaseModel):
    id: UUID
    tenant_id: UUID
    slug: str
    name: str
    description: str | None
    color: str | None
    contact_count: int
    created_at: datetime
    updated_at: datetime


class DeletedTag(BaseModel):
    """`contacts` is how many contacts had it."""

    id: UUID
    contacts: int
