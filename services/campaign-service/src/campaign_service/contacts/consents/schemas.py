"""Shapes of consents in requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, IPvAnyAddress

from campaign_service.contacts.types import Channel, Line, Text

Basis = Literal["consent", "legitimate_interest", "contract"]
Status = Literal["given", "withdrawn"]


class ConsentProof(BaseModel):
    """How it is known: the words that were shown, or the version of them, when, and where."""

    model_config = ConfigDict(extra="forbid")

    basis: Basis = "consent"
    source: Line | None = Field(default=None, description="Such as the form's address; absent: how it came")
    text: Text | None = Field(default=None, description="What the person was shown")
    version: Line | None = Field(default=None, description="Of the text")
    at: AwareDatetime | None = Field(default=None, description="Absent: now")


class ConsentClaim(ConsentProof):
    """What everybody in a file, or at a source, has agreed to."""

    channels: Annotated[list[Channel], Field(min_length=1, max_length=2)] = ["email"]


class ConsentIn(ConsentProof):
    """One person's word. Of `ip` only a keyed hash is kept."""

    channel: Channel = "email"
    status: Status = "given"
    ip: IPvAnyAddress | None = None


class ConsentOut(BaseModel):
    """`actor` is the user who recorded it; `has_ip` says that a hash of an address is kept."""

    id: UUID
    channel: Channel
    status: Status
    basis: Basis
    source: str | None
    text: str | None
    version: str | None
    has_ip: bool
    actor: UUID | None
    occurred_at: datetime
    recorded_at: datetime
