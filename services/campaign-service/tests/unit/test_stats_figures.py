"""Rates and their parts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from campaign_service.stats.deltas import COLUMNS, Deltas, utc_day
from campaign_service.stats.service import figures, rate
from shared.utils import uuid7


def test_rates_are_per_cent_with_their_parts() -> None:
    row = dict.fromkeys(COLUMNS, 0) | {
        "sent": 1000,
        "delivered": 960,
        "bounced_hard": 20,
        "bounced_soft": 9,
        "bounced_other": 1,
        "unique_opens": 240,
        "unique_clicks": 32,
        "opens_human": 400,
        "complained": 3,
        "unsubscribed": 6,
    }
    rates = figures(row).rates
    assert (rates.delivery.numerator, rates.delivery.denominator, rates.delivery.rate) == (960, 1000, 96.0)
    assert (rates.open.rate, rates.click.rate) == (25.0, 3.33)
    assert (rates.bounce.numerator, rates.bounce.denominator, rates.bounce.rate) == (30, 1000, 3.0)
    assert (rates.complaint.rate, rates.unsubscribe.rate) == (0.31, 0.62)


def test_a_rate_of_nothing_is_zero() -> None:
    assert rate(0, 0).rate == 0.0


def test_adding_and_taking_away_leaves_nothing_to_write() -> None:
    deltas, now = Deltas(), datetime(2026, 3, 1, tzinfo=UTC)
    tenant, campaign = uuid7(), uuid7()
    deltas.add(tenant, campaign, now, "sent")
    deltas.add(tenant, campaign, now, "sent", -1)
    assert deltas.rows() == []


def test_facts_count_on_their_utc_day() -> None:
    evening_in_lima = datetime(2026, 3, 1, 22, 0, tzinfo=timezone(timedelta(hours=-5)))
    assert utc_day(evening_in_lima).isoformat() == "2026-03-02"


def test_unknown_figures_are_refused() -> None:
    with pytest.raises(ValueError, match="no figure"):
        Deltas().add(uuid7(), uuid7(), datetime(2026, 1, 1, tzinfo=UTC), "opened")
