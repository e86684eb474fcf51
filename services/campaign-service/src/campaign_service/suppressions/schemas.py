"""Shapes of suppressions in requests and answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from campaign_service.contacts.address import FAULT_TEXT, parse_address
from campaign_service.contacts.types import Channel, Line

Scope = Literal["all", "marketing"]
Reason = Literal["unsubscribed", "hard_bounce", "soft_bounces", "complaint", "manual", "invalid"]
UtcTime = Annotated[AwareDatetime, AfterValidator(lambda value: value.astimezone(UTC))]


class SuppressionIn(BaseModel):
    """An address that must not be written to. Adding one that is there already keeps the graver reason."""

    model_config = ConfigDict(extra="forbid")

    address: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=320)]
    channel: Channel = "email"
    scope: Scope = Field(default="all", description="`marketing` still lets transactional mail through")
    reason: Reason = "manual"
    detail: Line | None = None
    expires_at: UtcTime | None = Field(default=None, description="Null: for good")

    @model_validator(mode="after")
    def _canonical(self) -> Self:
        if self.channel == "email":
            address = parse_address(self.address)
            if address.fault:
                raise ValueError(f"address: {FAULT_TEXT[address.fault]}")
            self.address = address.email.lower()
        else:
            self.address = normal_phone(self.address)
        return self


def normal_phone(text: str) -> str:
    """Digits with an optional leading +; ValueError for anything else."""
    digits = "".join(c for c in text if c not in " ().-/")
    if not digits.removeprefix("+").isdecimal() or not digits.isascii() or not 5 <= len(digits) <= 20:
        raise ValueError("address: not a phone number")
    return digits


class SuppressionBatch(BaseModel):
    """Up to 1,000 suppressions at once."""

    model_config = ConfigDict(extra="forbid")

    items: Annotated[list[SuppressionIn], Field(min_length=1, max_length=1000)]


class SuppressionOut(BaseModel):
    id: UUID
    channel: Channel
    address: str
    scope: Scope
    reason: Reason
    detail: str | None
    source: str | None
    created_at: datetime
    expires_at: datetime | None


class SuppressionHistoryOut(BaseModel):
    """One thing that happened to an address; kept after the suppression is lifted."""

    id: UUID
    channel: Channel
    address: str
    scope: Scope
    action: Literal["added", "changed", "lifted"]
    reason: Reason
    detail: str | None
    source: str | None
    occurred_at: datetime


class BatchOut(BaseModel):
    """`added` are new or changed; `unchanged` were suppressed already."""

    added: int
    unchanged: int


class LiftedOut(BaseModel):
    lifted: int
