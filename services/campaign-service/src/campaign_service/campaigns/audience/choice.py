"""Whom a campaign names: tags and a segment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from campaign_service.campaigns.audience.repository import Selection
from campaign_service.campaigns.audience.service import resolve_tags
from campaign_service.segments import service as segments
from shared.database import Tx


async def selection_of(
    tx: Tx, tenant_id: UUID, campaign: Mapping[str, Any], now: datetime, *, keep: bool = False
) -> Selection:
    """Those who are in the segment and whom the tags choose, as both are now.

    With `keep` nobody deletes the segment before the transaction ends. Raises UnknownTagsError and
    UnknownSegmentError: no rule may be dropped because what it names is gone.
    """
    selection = await resolve_tags(
        tx, tenant_id, campaign["tags_all"], campaign["tags_any"], campaign["exclude_tags"]
    )
    if campaign["segment_id"] is None:
        return selection
    condition = await segments.chooser(tx, tenant_id, campaign["segment_id"], now, keep=keep)
    return replace(selection, condition=condition)
