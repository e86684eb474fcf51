"""When a client's month is due. A `send_day` that a month does not have is that month's last day."""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Kind = Literal["notice", "report"]

_DAY = timedelta(days=1)
#: Days of which the ages of sales can be told.
FIRST, LAST = date(2000, 1, 1), date(2999, 12, 31)


def effective_day(send_day: int, year: int, month: int) -> date:
    """The date of a month's report."""
    return date(year, month, min(send_day, calendar.monthrange(year, month)[1]))


def is_served_on(send_day: int, day: date) -> bool:
    """Whether the report of a month is due on this day."""
    return effective_day(send_day, day.year, day.month) == day


def is_noticed_on(send_day: int, day: date) -> bool:
    """Whether the report is due on the day after, by the length of that day's month."""
    return is_served_on(send_day, day + _DAY)


def report_day(kind: Kind, day: date) -> date:
    """The day of the report that is made or announced on `day`."""
    return day if kind == "report" else day + _DAY


def period_of(report_on: date) -> date:
    """The month a report belongs to, as its first day."""
    return report_on.replace(day=1)


def local_day(now: datetime, time_zone: str, hour: int) -> date:
    """The day whose work is to be done by now: today from `hour` o'clock on, local time, else yesterday."""
    local = now.astimezone(ZoneInfo(time_zone))
    return local.date() if local.hour >= hour else local.date() - _DAY
