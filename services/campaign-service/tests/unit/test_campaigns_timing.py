"""When a mail may go, by the clock of the one who gets it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_service.campaigns.timing import Timing

ZONES = ("Europe/Paris", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "America/St_Johns", "UTC")


def timing(
    local_time: str | None = None,
    opens: str | None = None,
    closes: str = "24:00",
    days: list[int] | None = None,
    **more: Any,
) -> Timing:
    window = {"opens": opens, "closes": closes, "days": days or [*range(1, 8)]} if opens else None
    campaign = {
        "local_time": local_time,
        "send_window": window,
        "time_zone": None,
        "max_lateness_seconds": 600,
        **more,
    }
    made = Timing.of(campaign, "Europe/Paris")
    assert made is not None
    return made


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_each_zone_has_its_own_moment() -> None:
    nine, now = timing("09:00"), utc("2026-06-15T05:00")
    assert nine.first_moment("Europe/Paris", now) == utc("2026-06-15T07:00")
    assert nine.first_moment("America/New_York", now) == utc("2026-06-15T13:00")
    assert nine.first_moment("Asia/Kolkata", now) == utc("2026-06-16T03:30")


def test_an_hour_just_passed_still_counts_and_one_long_passed_is_tomorrows() -> None:
    nine = timing("09:00")
    assert nine.first_moment("UTC", utc("2026-06-15T09:05")) is None
    assert nine.first_moment("UTC", utc("2026-06-15T09:11")) == utc("2026-06-16T09:00")


@pytest.mark.parametrize(
    ("now", "local", "moment"),
    [
        # Paris skips 02:00 to 03:00 on 29 March 2026 and repeats it on 25 October.
        ("2026-03-28T12:00", "02:30", "2026-03-29T01:30"),
        ("2026-03-28T12:00", "09:00", "2026-03-29T07:00"),
        ("2026-10-24T12:00", "02:30", "2026-10-25T00:30"),
        ("2026-10-24T12:00", "09:00", "2026-10-25T08:00"),
    ],
)
def test_the_clock_change_moves_nobody_to_another_hour(now: str, local: str, moment: str) -> None:
    assert timing(local).first_moment("Europe/Paris", utc(now)) == utc(moment)


@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001
    st.sampled_from(ZONES),
    st.integers(0, 22),
    st.sets(st.integers(1, 7), min_size=1),
)
def test_a_window_is_open_at_the_moment_it_gives_and_was_not_before(
    moment: datetime, zone: str, hour: int, days: set[int]
) -> None:
    now = moment.replace(tzinfo=UTC)
    rules = timing(opens=f"{hour:02}:00", closes=f"{hour + 1:02}:30" if hour < 22 else "24:00", days=[*days])
    at = rules.first_moment(zone, now)
    assert rules.closed_until(zone, now) == at
    if at is not None:
        assert now < at <= now + timedelta(days=8)
        assert rules.closed_until(zone, at) is None
        assert at.astimezone(ZoneInfo(zone)).isoweekday() in days
        assert rules.closed_until(zone, at - timedelta(minutes=1)) == at


def test_an_hour_on_a_closed_day_waits_for_the_next_open_one() -> None:
    weekdays = timing("10:00", opens="09:00", closes="18:00", days=[1, 2, 3, 4, 5])
    # 2026-06-13 is a Saturday
    assert weekdays.first_moment("UTC", utc("2026-06-13T07:00")) == utc("2026-06-15T09:00")


def test_unknown_zones_are_the_campaigns_then_the_tenants() -> None:
    assert timing("09:00").zone_of("Mars/Olympus") == "Europe/Paris"
    assert timing("09:00").zone_of("") == "Europe/Paris"
    assert timing("09:00", time_zone="Asia/Tokyo").zone_of(None) == "Asia/Tokyo"
    assert timing("09:00").zone_of("Asia/Kolkata") == "Asia/Kolkata"


def test_without_rules_there_is_nothing_to_wait_for() -> None:
    campaign = {"local_time": None, "send_window": None, "time_zone": "Asia/Tokyo"}
    assert Timing.of(campaign, None) is None
