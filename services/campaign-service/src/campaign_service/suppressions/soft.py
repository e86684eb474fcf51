"""Addresses that keep bouncing softly: held back for a while, then given another chance."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from campaign_service.settings import settings_of
from campaign_service.suppressions import repository
from campaign_service.suppressions.repository import NewSuppression
from shared.database import Tx
from shared.web import Runtime


async def suppress_streaks(
    tx: Tx, runtime: Runtime, contact_ids: Iterable[UUID], source: str, now: datetime
) -> list[UUID]:
    """Suppress those whose soft bounces in a row have become too many; which contacts they are."""
    limit = settings_of(runtime).soft_bounce_limit
    streaks = await repository.soft_streaks(tx, tx.tenant, contact_ids, limit)
    new = [
        NewSuppression(
            address=address,
            reason="soft_bounces",
            detail=f"{limit} or more in a row",
            source=source,
            expires_at=_until(runtime, now),
        )
        for address in sorted(streaks.values())
    ]
    await repository.add_many(tx, tx.tenant, new)
    return sorted(streaks)


def _until(runtime: Runtime, now: datetime) -> datetime | None:
    days = settings_of(runtime).soft_suppression_days
    return now + timedelta(days=days) if days else None
