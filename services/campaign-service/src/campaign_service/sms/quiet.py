"""Hours in which nobody wants to be texted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` until `end` of local time; over midnight where `start` is later than `end`."""

    start: time
    end: time

    def covers(self, moment: time) -> bool:
        if self.start <= self.end:
            return self.start <= moment < self.end
        return moment >= self.start or moment < self.end


def zone(*names: str | None) -> ZoneInfo:
    """The first of the names that is a time zone; UTC when none is."""
    for name in names:
        if name:
            try:
                return ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                continue
    return ZoneInfo("UTC")


def wait_until(now: datetime, hours: QuietHours | None, place: ZoneInfo) -> datetime | None:
    """When a text may go out at the earliest; None: now. Local hours, whatever summer time does to them."""
    if hours is None:
        return None
    local = now.astimezone(place)
    if not hours.covers(local.time()):
        return None
    end = datetime.combine(local.date(), hours.end, tzinfo=place)
    if end <= local:
        end = datetime.combine(local.date() + timedelta(days=1), hours.end, tzinfo=place)
    return max(end.astimezone(UTC), now + timedelta(seconds=1))
