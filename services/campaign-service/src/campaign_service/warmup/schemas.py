"""Shapes of warm-up plans."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from campaign_service.channels.schemas import Domain, HeaderWord

from .plans import MailboxProvider, PlanStatus

Rate = Annotated[float, Field(gt=0, le=1)]


class RulesIn(BaseModel):
    """Shares of the mails of `window_days`, judged once there are `minimum`."""

    model_config = ConfigDict(extra="forbid")

    max_bounce_rate: Rate = 0.05
    warn_complaint_rate: Rate = 0.001
    max_complaint_rate: Rate = 0.003
    window_days: int = Field(default=7, ge=1, le=90)
    minimum: int = Field(default=50, ge=1, le=1_000_000)


class PlanIn(BaseModel):
    """A plan for mails from a domain, by an address pool, to a mailbox provider: what is left out is any.

    `status` active again after a stop begins a new window for the rules.
    """

    model_config = ConfigDict(extra="forbid")

    domain: Domain | None = None
    ip_pool: HeaderWord | None = None
    mailbox_provider: MailboxProvider | None = None
    preset: Literal["70-days"] | None = "70-days"
    caps: (
        Annotated[list[Annotated[int, Field(ge=1, le=10_000_000)]], Field(min_length=1, max_length=400)]
        | None
    ) = None
    day_number: int | None = Field(default=None, ge=1, le=400, description="Begin with this day")
    time_zone: Annotated[str, StringConstraints(max_length=64)] = "UTC"
    status: Literal["active", "paused"] = "active"
    rules: RulesIn = Field(default_factory=RulesIn)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError("this is no time zone") from error
        return value

    @model_validator(mode="after")
    def _has_caps(self) -> PlanIn:
        if self.caps is None and self.preset is None:
            raise ValueError("a plan has caps or a preset")
        return self


class WarmupIn(BaseModel):
    """All plans of the tenant; one that is not among them ends, and its mails are limited no more."""

    model_config = ConfigDict(extra="forbid")

    plans: Annotated[list[PlanIn], Field(max_length=100)]

    @field_validator("plans")
    @classmethod
    def _differ(cls, plans: list[PlanIn]) -> list[PlanIn]:
        keys = {(plan.domain, plan.ip_pool, plan.mailbox_provider) for plan in plans}
        if len(keys) < len(plans):
            raise ValueError("two plans are for the same mails")
        return plans


class PlanOut(BaseModel):
    """`used` of `cap` mails were let go today; `bounced` and `complained` are of the rules' window."""

    id: UUID
    domain: str | None
    ip_pool: str | None
    mailbox_provider: str | None
    status: PlanStatus
    status_reason: str | None
    warning: str | None
    day_number: int
    days: int
    today: date
    cap: int
    used: int
    left: int
    next_day_at: datetime
    window: dict[str, Any]
    caps: list[int]
    time_zone: str
    rules: dict[str, Any]


class WarmupOut(BaseModel):
    plans: list[PlanOut]
