from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from property_service.daily.calendar import (
    effective_day,
    is_noticed_on,
    is_served_on,
    local_day,
    period_of,
    report_day,
)

COMMON, LEAP = 2027, 2028
# Days of report by month, for the send days that not every month has.
TABLE = {
    COMMON: {
        28: [28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28],
        29: [29, 28, 29, 29, 29, 29, 29, 29, 29, 29, 29, 29],
        30: [30, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30],
        31: [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31],
    },
    LEAP: {
        28: [28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28],
        29: [29, 29, 29, 29, 29, 29, 29, 29, 29, 29, 29, 29],
        30: [30, 29, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30],
        31: [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31],
    },
}


def days_of(year: int) -> list[date]:
    """The year, and the last day before it, on which the first report of the year may be announced."""
    before, last = date(year - 1, 12, 31), date(year, 12, 31)
    return [before + timedelta(days=n) for n in range((last - before).days + 1)]


@pytest.mark.parametrize("year", [COMMON, LEAP])
@pytest.mark.parametrize("send_day", [28, 29, 30, 31])
def test_short_months_are_served_on_their_last_day(year: int, send_day: int) -> None:
    days = [effective_day(send_day, year, month).day for month in range(1, 13)]
    assert days == TABLE[year][send_day]


@pytest.mark.parametrize("year", [COMMON, LEAP])
@pytest.mark.parametrize("send_day", range(1, 32))
def test_every_send_day_is_noticed_once_and_served_once_a_month(year: int, send_day: int) -> None:
    days = days_of(year)
    served = [day for day in days if is_served_on(send_day, day) and day.year == year]
    noticed = [day for day in days if is_noticed_on(send_day, day) and report_day("notice", day).year == year]
    assert [day.month for day in served] == list(range(1, 13))
    assert [day + timedelta(days=1) for day in noticed] == served


def test_last_day_of_a_month_does_not_notice_everybody() -> None:
    noticed = [day for day in range(1, 32) if is_noticed_on(day, date(COMMON, 1, 31))]
    assert noticed == [1]


@pytest.mark.parametrize(
    ("day", "noticed"),
    [
        (date(COMMON, 2, 27), [28, 29, 30, 31]),
        (date(LEAP, 2, 27), [28]),
        (date(LEAP, 2, 28), [29, 30, 31]),
        (date(COMMON, 4, 29), [30, 31]),
    ],
)
def test_day_before_a_short_months_end_notices_whom_the_next_day_serves(
    day: date, noticed: list[int]
) -> None:
    assert [send_day for send_day in range(1, 32) if is_noticed_on(send_day, day)] == noticed
    assert [n for n in range(1, 32) if is_served_on(n, day + timedelta(days=1))] == noticed


@pytest.mark.parametrize("year", [COMMON, LEAP])
def test_a_year_serves_and_notices_each_of_31_clients_twelve_times(year: int) -> None:
    served: Counter[int] = Counter()
    periods: set[tuple[int, date]] = set()
    for day in days_of(year)[1:]:
        due = [send_day for send_day in range(1, 32) if is_served_on(send_day, day)]
        served.update(due)
        periods.update((send_day, period_of(day)) for send_day in due)
    assert served == dict.fromkeys(range(1, 32), 12)
    assert len(periods) == 31 * 12


@pytest.mark.parametrize(
    ("now", "zone", "day"),
    [
        (datetime(2027, 3, 1, 7, 59, tzinfo=UTC), "Europe/Paris", date(2027, 2, 28)),
        (datetime(2027, 3, 1, 8, 0, tzinfo=UTC), "Europe/Paris", date(2027, 3, 1)),
        # Summer time: nine o'clock comes an hour earlier.
        (datetime(2027, 3, 28, 7, 0, tzinfo=UTC), "Europe/Paris", date(2027, 3, 28)),
        (datetime(2027, 3, 1, 3, 30, tzinfo=UTC), "Asia/Kolkata", date(2027, 3, 1)),
        (datetime(2027, 3, 1, 8, 0, tzinfo=UTC), "America/Martinique", date(2027, 2, 28)),
        (datetime(2027, 2, 28, 22, 0, tzinfo=UTC), "Pacific/Noumea", date(2027, 3, 1)),
    ],
)
def test_the_days_work_begins_at_nine_where_the_client_is(now: datetime, zone: str, day: date) -> None:
    assert local_day(now, zone, 9) == day
