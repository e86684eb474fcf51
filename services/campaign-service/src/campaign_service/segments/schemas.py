"""Shapes of segments in requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from campaign_service.contacts.schemas import ContactOut
from campaign_service.contacts.types import Name
from campaign_service.segments.rules import Definition


class SegmentIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name
    definition: Definition


class PreviewIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    definition: Definition


class SegmentOut(BaseModel):
    id: UUID
    tenant_id: UUID
    name: str
    definition: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class CountedSegment(SegmentOut):
    """With how many contacts the rules choose now."""

    count: int


class Preview(BaseModel):
    """How many contacts the rules choose now, and the first ten."""

    count: int
    sample: list[ContactOut]


class DeletedSegment(BaseModel):
    id: UUID
