"""When a mail may go, by the clock of the one who gets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Self
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_LONGEST_SEARCH_DAYS = 9


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # unknown, a folder, or no name at all
        return None


def is_zone(name: str) -> bool:
    """Whether this is the name of a time zone, such as Europe/Paris."""
    return _zone(name) is not None


@dataclass(frozen=True, slots=True)
class Window:
    """Open from `opens` until `closes` (minutes of the day) on `days` (1 is Monday)."""

    opens: int
    closes: int
    days: frozenset[int]


@dataclass(frozen=True, slots=True)
class Timing:
    """A campaign's rules of time. `grace`: a time of day that passed no longer ago than this still counts."""

    local_time: time | None
    window: Window | None
    fallback_zone: str
    grace: timedelta

    @classmethod
    def of(cls, campaign: Mapping[str, Any], tenant_zone: str | None) -> Self | None:
        """None for a campaign that may be sent at any time."""
        local, window = campaign["local_time"], campaign["send_window"]
        if local is None and window is None:
            return None
        return cls(
            local_time=time.fromisoformat(local) if local else None,
            window=_window(window) if window else None,
            fallback_zone=campaign["time_zone"] or tenant_zone or "UTC",
            grace=timedelta(seconds=campaign["max_lateness_seconds"]),
        )

    def zone_of(self, name: str | None) -> str:
        """The zone of a recipient whose contact says `name`."""
        return name if name and is_zone(name) else self.fallback_zone

    def first_moment(self, zone: str, now: datetime) -> datetime | None:
        """When somebody in `zone` may get the mail; None: at once.

        A time that the clock change skips comes as much later as the clock jumps, one that it repeats the
        first time.
        """
        place = _zone(zone) or ZoneInfo("UTC")
        moment = now if self.local_time is None else self._local(now, place)
        if self.window is not None:
            moment = _opening(moment, self.window, place)
        return moment if moment > now else None

    def closed_until(self, zone: str, now: datetime) -> datetime | None:
        """When the window opens again for somebody in `zone`; None while it is open."""
        if self.window is None:
            return None
        moment = _opening(now, self.window, _zone(zone) or ZoneInfo("UTC"))
        return moment if moment > now else None

    def _local(self, now: datetime, place: ZoneInfo) -> datetime:
        assert self.local_time is not None
        here = now.astimezone(place)
        today = _at(here, 0, self.local_time, place)
        if today > now:
            return today
        return now if now - today <= self.grace else _at(here, 1, self.local_time, place)


def _window(stored: Mapping[str, Any]) -> Window:
    return Window(_minutes(stored["opens"]), _minutes(stored["closes"]), frozenset(stored["days"]))


def _minutes(clock: str) -> int:
    hour, _, minute = clock.partition(":")
    return int(hour) * 60 + int(minute)


def _at(here: datetime, days: int, moment: time, place: ZoneInfo) -> datetime:
    """The local `moment`, so many days after the date of `here`, in UTC."""
    return datetime.combine(here.date() + days * _DAY, moment, place).astimezone(UTC)


def _opening(moment: datetime, window: Window, place: ZoneInfo) -> datetime:
    """`moment`, or when the window opens next after it."""
    here = moment.astimezone(place)
    minute = here.hour * 60 + here.minute
    if here.isoweekday() in window.days and window.opens <= minute < window.closes:
        return moment
    opens = time(window.opens // 60, window.opens % 60)
    for days in range(_LONGEST_SEARCH_DAYS):
        at = _at(here, days, opens, place)
        if at >= moment and at.astimezone(place).isoweekday() in window.days:
            return at
    raise AssertionError("unreachable: a window is open on one day of the week at least")
