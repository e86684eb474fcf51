"""Changes of the figures, gathered in memory and written once."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from uuid import UUID

COLUMNS = (
    "sent",
    "delivered",
    "bounced_hard",
    "bounced_soft",
    "bounced_other",
    "deferred",
    "complained",
    "unsubscribed",
    "opens_human",
    "opens_proxy",
    "opens_scanner",
    "opens_unknown",
    "unique_opens",
    "clicks_human",
    "clicks_scanner",
    "clicks_unknown",
    "unique_clicks",
    "failed",
    "ambiguous",
    "skipped",
    "repeats",
)
Key = tuple[UUID, UUID, date]


def utc_day(moment: datetime) -> date:
    """The day a fact counts on."""
    return moment.astimezone(UTC).date()


class Deltas:
    """Changes per tenant, campaign and UTC day; adding and taking away the same thing leaves nothing."""

    def __init__(self) -> None:
        self._changes: defaultdict[Key, Counter[str]] = defaultdict(Counter)

    def add(self, tenant_id: UUID, campaign_id: UUID, moment: datetime, column: str, by: int = 1) -> None:
        """Count `column` (one of `COLUMNS`) up by `by`, which may be negative."""
        if column not in COLUMNS:
            raise ValueError(f"{column} is no figure")
        self._changes[tenant_id, campaign_id, utc_day(moment)][column] += by

    def rows(self) -> list[tuple[Key, list[int]]]:
        """What is left to write, in the order in which rows are locked."""
        return [
            (key, [counts[column] for column in COLUMNS])
            for key, counts in sorted(self._changes.items())
            if any(counts.values())
        ]
