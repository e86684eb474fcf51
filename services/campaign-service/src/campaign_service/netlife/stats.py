"""Figures of one portal's collection."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from campaign_service.netlife.config import Brand

_MOST_ERRORS = 100


@dataclass
class PortalStats:
    """Subjects are counted once each, however many activities they are in.

    `api_calls_total` counts every request sent, so a repeated one again; `api_calls_failed` those without a
    usable answer. `access_keys_created` stays 0: nothing is ever written to a portal.
    """

    portal_name: str
    portal_brand: Brand
    start_time: datetime = field(default_factory=lambda: datetime.now(UTC))
    activities_found: int = 0
    jobs_processed: int = 0
    subjects_total: int = 0
    subjects_buyers: int = 0
    subjects_non_buyers: int = 0
    subjects_with_phones: int = 0
    subjects_with_emails: int = 0
    subjects_with_images: int = 0
    registered_users_checked: int = 0
    registered_users_found: int = 0
    access_keys_existing: int = 0
    access_keys_created: int = 0
    access_keys_failed: int = 0
    api_calls_total: int = 0
    api_calls_failed: int = 0
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began = time.monotonic()

    def note_error(self, text: str) -> None:
        """Keep the first hundred."""
        if len(self.errors) < _MOST_ERRORS:
            self.errors.append(text)

    def summary(self) -> dict[str, Any]:
        """A copy, with `duration_seconds`."""
        return asdict(self) | {"duration_seconds": round(time.monotonic() - self._began, 3)}
