"""Time as a thing that can be handed in."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


def utc_now() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def format_date(value: datetime) -> str:
    """ISO 8601 in UTC with a trailing Z; a naive value is taken as UTC."""
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Clock(Protocol):
    """Wall time, monotonic time and waiting, so that tests can move all three."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The real clock."""

    def now(self) -> datetime:
        return utc_now()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
