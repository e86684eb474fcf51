"""Shapes of the figures. Every rate comes with what it is a rate of."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from pydantic import BaseModel

from campaign_service.campaigns.states import Status


class Rate(BaseModel):
    """`rate` is `numerator` per hundred of `denominator`, two decimals; 0 when that is 0."""

    numerator: int
    denominator: int
    rate: float


class Counts(BaseModel):
    """Mails and requests. A mail is delivered or bounced, never both; the rest stands beside.

    `opens_*` and `clicks_*` count requests by who made them, `unique_*` the people, by human requests alone.
    """

    sent: int
    delivered: int
    bounced_hard: int
    bounced_soft: int
    bounced_other: int
    deferred: int
    complained: int
    unsubscribed: int
    opens_human: int
    opens_proxy: int
    opens_scanner: int
    opens_unknown: int
    unique_opens: int
    clicks_human: int
    clicks_scanner: int
    clicks_unknown: int
    unique_clicks: int
    failed: int
    ambiguous: int
    skipped: int
    repeats: int


class Rates(BaseModel):
    """Delivery and bounce are of sent; open, click (people), complaint and unsubscribe of delivered."""

    delivery: Rate
    open: Rate
    click: Rate
    bounce: Rate
    hard_bounce: Rate
    complaint: Rate
    unsubscribe: Rate


class ContactStats(BaseModel):
    total: int
    by_status: dict[str, int]
    by_validation: dict[str, int]
    by_language: dict[str, int]


class Figures(BaseModel):
    counts: Counts
    rates: Rates


class CampaignFigures(Figures):
    """One started campaign."""

    campaign_id: UUID
    name: str
    status: Status
    started_at: dt.datetime
    completed_at: dt.datetime | None
    recipient_count: int


class CampaignStats(Figures):
    """All campaigns together; `campaigns` are those of this page, the latest start first."""

    total: int
    by_status: dict[str, int]
    campaigns: list[CampaignFigures]


class IssueCount(BaseModel):
    source: str
    kind: str
    reason: str
    count: int


class EventStats(BaseModel):
    """What came back. `not_applied` counts webhook rows that fit no mail or could not be read."""

    delivered: int
    deferred: int
    bounced: int
    bounced_hard: int
    bounced_soft: int
    bounced_other: int
    complained: int
    unsubscribed: int
    opens: dict[str, int]
    clicks: dict[str, int]
    bounce_rate: Rate
    hard_bounce_rate: Rate
    complaint_rate: Rate
    unsubscribe_rate: Rate
    not_applied: list[IssueCount]


class CampaignSummary(Figures):
    total: int
    by_status: dict[str, int]


class Overview(BaseModel):
    contacts: ContactStats
    campaigns: CampaignSummary
    events: EventStats
    tags: int
    templates: int
    suppressions: int


class DayFigures(Figures):
    date: dt.date


class Performance(Figures):
    """The last `days` UTC days, today included, each with its figures, and all together."""

    days: int
    per_day: list[DayFigures]


class IssueOut(BaseModel):
    """A webhook row that was not applied; `raw` is the row as it came, cut at 4,000 characters."""

    id: UUID
    source: str
    kind: str
    reason: str
    record_type: str | None
    address: str | None
    inbound_id: UUID | None
    row_number: int | None
    raw: str
    occurred_at: dt.datetime | None
    created_at: dt.datetime
