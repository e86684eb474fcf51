"""When a schedule is due."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

_DAILY = re.compile(r"^([01]?\d|2[0-3]):([0-5]\d)$")
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_SEARCH_DAYS = 1500  # more than four years, so that 29 February is found


@dataclass(frozen=True)
class Schedule:
    """Enqueue a job of `type` again and again; `name` is unique within a service.

    `when` is a number of seconds, `"HH:MM"` for every day, or five cron fields (`"30 6 * * 1-5"`; names of
    days or months are not known, 0 and 7 are Sunday). Times of day are of `time_zone`. A time that the clock
    change skips runs as much later as the clock jumps; one that it repeats runs once, the first time. When
    every process was away, the latest missed time is made up for, the ones before it are not. A run that is
    due while the one before still runs is left out.
    """

    name: str
    when: int | str
    type: str
    time_zone: str = "UTC"
    payload: dict[str, Any] = field(default_factory=dict)

    def latest_due(self, now: datetime) -> datetime:
        """The latest due time that is not after `now`, in UTC. ValueError when four years have none."""
        if isinstance(self.when, int):
            if self.when <= 0:
                raise ValueError("a schedule repeats after a positive number of seconds")
            return datetime.fromtimestamp(now.timestamp() // self.when * self.when, UTC)
        return self._cron.latest(now, ZoneInfo(self.time_zone))

    @cached_property
    def _cron(self) -> _Cron:
        assert isinstance(self.when, str)
        daily = _DAILY.match(self.when)
        return _Cron.parse(f"{int(daily[2])} {int(daily[1])} * * *" if daily else self.when)


@dataclass(frozen=True, slots=True)
class _Cron:
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    @classmethod
    def parse(cls, text: str) -> _Cron:
        parts = text.split()
        if len(parts) != len(_FIELDS):
            raise ValueError(f"{text!r} is neither HH:MM nor five cron fields")
        values = [_values(part, *field) for part, field in zip(parts, _FIELDS, strict=True)]
        return cls(
            minutes=tuple(sorted(values[0], reverse=True)),
            hours=tuple(sorted(values[1], reverse=True)),
            days=frozenset(values[2]),
            months=frozenset(values[3]),
            weekdays=frozenset(day % 7 for day in values[4]),
            # As cron does: with both the day of the month and of the week given, either will do.
            either_day=not parts[2].startswith("*") and not parts[4].startswith("*"),
        )

    def latest(self, now: datetime, zone: ZoneInfo) -> datetime:
        # One day ahead, because a skipped time is moved forward, over midnight if need be.
        day = now.astimezone(zone).date() + timedelta(days=1)
        for _ in range(_SEARCH_DAYS):
            if self._is_day(day):
                due = self._latest_of(day, now, zone)
                if due is not None:
                    return due
            day -= timedelta(days=1)
        raise ValueError("the schedule is never due")

    def _is_day(self, day: date) -> bool:
        weekday, month_day = day.isoweekday() % 7 in self.weekdays, day.day in self.days
        is_day = weekday or month_day if self.either_day else weekday and month_day
        return is_day and day.month in self.months

    def _latest_of(self, day: date, now: datetime, zone: ZoneInfo) -> datetime | None:
        times = (
            datetime.combine(day, time(hour, minute), zone).astimezone(UTC)
            for hour in self.hours
            for minute in self.minutes
        )
        return max((due for due in times if due <= now), default=None)


def _values(text: str, name: str, least: int, most: int) -> set[int]:
    values: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
        if match is None:
            raise ValueError(f"{part!r} is not a cron {name}")
        first = least if match[1] == "*" else int(match[2])
        last = most if match[1] == "*" or (match[4] and not match[3]) else int(match[3] or first)
        step = int(match[4] or 1)
        if not (least <= first <= last <= most) or step < 1:
            raise ValueError(f"{part!r} is not a cron {name} from {least} to {most}")
        values.update(range(first, last + 1, step))
    return values
