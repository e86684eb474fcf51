"""Shapes of variants and their test."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from campaign_service.ab.significance import Outcome
from campaign_service.campaigns.schemas import Line, SmsText

LONGEST_WAIT = 14 * 24 * 3600
Subject = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=998, pattern=r"^[^\x00-\x1f\x7f]*$"),
]


class VariantIn(BaseModel):
    """What differs from the campaign; what is absent is the campaign's own."""

    model_config = ConfigDict(extra="forbid")

    subject: Subject | None = Field(default=None, description="Liquid, in place of the template's subject")
    sms_text: SmsText | None = Field(default=None, description="What an SMS says in place of the campaign's")
    template_id: UUID | None = None
    from_name: Line | None = None


class VariantsIn(BaseModel):
    """2 to 5 variants, shared out evenly over `test_percent` of the audience.

    The others wait until `wait_seconds` after the last mail of the test went, and get what won; by hand when
    `automatic` is false. With 100 percent everybody is in the test and nobody waits.
    """

    model_config = ConfigDict(extra="forbid")

    variants: Annotated[list[VariantIn], Field(min_length=2, max_length=5)]
    test_percent: int = Field(default=20, ge=1, le=100)
    wait_seconds: int = Field(default=4 * 3600, ge=0, le=LONGEST_WAIT)
    metric: Literal["clicks", "opens"] = "clicks"
    automatic: bool = True

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({variant.model_dump_json() for variant in self.variants}) < len(self.variants):
            raise ValueError("two variants are the same")
        return self


class VariantOut(BaseModel):
    """`opens` and `clicks` count people; those of scanners and mail proxies are not among them.

    `tested` and `reactions` are the figures the winner was chosen by.
    """

    number: int
    subject: str | None
    sms_text: str | None
    template_id: UUID | None
    template_version: int | None
    from_name: str | None
    recipients: int
    sent: int
    bounced: int
    opens: int
    clicks: int
    unsubscribed: int
    open_rate: float
    click_rate: float
    tested: int | None
    reactions: int | None
    is_winner: bool


class VariantsOut(BaseModel):
    """`p_value`: how likely such a lead is by chance. `outcome` says whether that is less than 5 %."""

    campaign_id: UUID
    phase: Literal["draft", "testing", "waiting", "by_hand", "decided"]
    test_percent: int
    wait_seconds: int
    metric: Literal["clicks", "opens"]
    automatic: bool
    held: int
    tested_at: datetime | None
    decide_at: datetime | None
    winner: int | None
    outcome: Outcome | None
    p_value: float | None
    decided_at: datetime | None
    decided_by: UUID | None
    variants: list[VariantOut]


class DeletedVariants(BaseModel):
    campaign_id: UUID
