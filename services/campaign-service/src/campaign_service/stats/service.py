"""How figures are put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from campaign_service.stats import repository
from campaign_service.stats.deltas import COLUMNS, utc_day
from campaign_service.stats.schemas import (
    CampaignFigures,
    CampaignStats,
    CampaignSummary,
    ContactStats,
    Counts,
    DayFigures,
    EventStats,
    Figures,
    IssueCount,
    Overview,
    Performance,
    Rate,
    Rates,
)
from shared.database import Tx


def rate(numerator: int, denominator: int) -> Rate:
    """Per cent with two decimals; 0 when there is nothing to divide by."""
    value = round(100 * numerator / denominator, 2) if denominator > 0 else 0.0
    return Rate(numerator=numerator, denominator=denominator, rate=value)


def _bounced(row: Mapping[str, int]) -> int:
    return row["bounced_hard"] + row["bounced_soft"] + row["bounced_other"]


def _rates(row: Mapping[str, int]) -> Rates:
    sent, delivered = row["sent"], row["delivered"]
    return Rates(
        delivery=rate(delivered, sent),
        open=rate(row["unique_opens"], delivered),
        click=rate(row["unique_clicks"], delivered),
        bounce=rate(_bounced(row), sent),
        hard_bounce=rate(row["bounced_hard"], sent),
        complaint=rate(row["complained"], delivered),
        unsubscribe=rate(row["unsubscribed"], delivered),
    )


def figures(row: Mapping[str, Any]) -> Figures:
    """Counts of a row of sums, and the rates that follow."""
    return Figures(counts=Counts.model_validate({name: row[name] for name in COLUMNS}), rates=_rates(row))


async def contacts(tx: Tx, tenant_id: UUID) -> ContactStats:
    totals: dict[str, Counter[str]] = {
        name: Counter() for name in ("status", "validation_status", "language")
    }
    rows = await repository.contacts(tx, tenant_id)
    for row in rows:
        for name, counter in totals.items():
            counter[row[name]] += row["n"]
    return ContactStats(
        total=sum(row["n"] for row in rows),
        by_status=dict(totals["status"].most_common()),
        by_validation=dict(totals["validation_status"].most_common()),
        by_language=dict(totals["language"].most_common()),
    )


async def campaign_summary(tx: Tx, tenant_id: UUID) -> CampaignSummary:
    by_status = await repository.campaigns_by_status(tx, tenant_id)
    together = figures(await repository.totals(tx, tenant_id))
    return CampaignSummary(
        total=sum(by_status.values()), by_status=by_status, counts=together.counts, rates=together.rates
    )


def campaign_figures(row: Mapping[str, Any]) -> CampaignFigures:
    own = figures(row)
    return CampaignFigures(
        campaign_id=row["id"],
        name=row["name"],
        status=row["status"],
        started_at=row["started_at"],
        completed_at=row["completed_at"],
        recipient_count=row["recipient_count"],
        counts=own.counts,
        rates=own.rates,
    )


async def campaigns(tx: Tx, tenant_id: UUID, page: list[CampaignFigures]) -> CampaignStats:
    summary = await campaign_summary(tx, tenant_id)
    return CampaignStats(
        total=summary.total,
        by_status=summary.by_status,
        counts=summary.counts,
        rates=summary.rates,
        campaigns=page,
    )


async def events(tx: Tx, tenant_id: UUID) -> EventStats:
    row = await repository.totals(tx, tenant_id)
    verdicts = ("human", "proxy", "scanner", "unknown")
    rates = _rates(row)
    return EventStats(
        delivered=row["delivered"],
        deferred=row["deferred"],
        bounced=_bounced(row),
        bounced_hard=row["bounced_hard"],
        bounced_soft=row["bounced_soft"],
        bounced_other=row["bounced_other"],
        complained=row["complained"],
        unsubscribed=row["unsubscribed"],
        opens={verdict: row[f"opens_{verdict}"] for verdict in verdicts},
        clicks={verdict: row[f"clicks_{verdict}"] for verdict in verdicts if verdict != "proxy"},
        bounce_rate=rates.bounce,
        hard_bounce_rate=rates.hard_bounce,
        complaint_rate=rates.complaint,
        unsubscribe_rate=rates.unsubscribe,
        not_applied=[IssueCount.model_validate(i) for i in await repository.issue_counts(tx, tenant_id)],
    )


async def overview(tx: Tx, tenant_id: UUID) -> Overview:
    return Overview(
        contacts=await contacts(tx, tenant_id),
        campaigns=await campaign_summary(tx, tenant_id),
        events=await events(tx, tenant_id),
        **await repository.small_counts(tx, tenant_id),
    )


async def performance(tx: Tx, tenant_id: UUID, days: int, now: datetime) -> Performance:
    """The last `days` UTC days up to `now`'s, days without anything included."""
    last: date = utc_day(now)
    rows = await repository.per_day(tx, tenant_id, last - timedelta(days=days - 1), last)
    sums = {name: sum(row[name] for row in rows) for name in COLUMNS}
    together = figures(sums)
    per_day = []
    for row in rows:
        own = figures(row)
        per_day.append(DayFigures(date=row["day"], counts=own.counts, rates=own.rates))
    return Performance(days=days, per_day=per_day, counts=together.counts, rates=together.rates)
