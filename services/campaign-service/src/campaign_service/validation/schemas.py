"""Shapes of a validation's request and answer."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from campaign_service.contacts.types import Slug


class ValidateIn(BaseModel):
    """Which contacts: by id, by tag, or all of them. Those validated within `max_age_days` are left out."""

    model_config = ConfigDict(extra="forbid")

    contact_ids: Annotated[list[UUID], Field(min_length=1, max_length=10_000)] | None = None
    tag: Slug | None = None
    max_age_days: Annotated[int, Field(ge=0, le=3650)] = 0
    check_mx: bool = True


class ValidationAccepted(BaseModel):
    """The job's result has the counts, the reasons, and what the DNS had to say."""

    job_id: UUID
    status: str = "pending"
