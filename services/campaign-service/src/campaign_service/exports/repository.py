"""SQL of exports: a page of events at a time, each page a short statement of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.database import Tx

# Machines open and click; whatever else happens, happens to people. No condition is optional: each would be
# read from the start again once the planner stops looking at the parameters.
_CHOSEN = """e.tenant_id = $1 AND e.type = ANY($2::text[]) AND e.occurred_at >= $3 AND e.occurred_at < $4
    AND (NOT $5::boolean OR e.verdict = 'human' OR e.type NOT IN ('opened', 'clicked'))"""
_ALL_TYPES = (
    "sent",
    "delivered",
    "deferred",
    "opened",
    "clicked",
    "bounced",
    "complained",
    "unsubscribed",
    "failed",
)
RECIPIENT_COLUMNS = (
    "contact_id",
    "email",
    "phone",
    "language",
    "variant",
    "code",
    "state",
    "attempts",
    "possible_repeats",
    "last_code",
    "last_detail",
    "skip_reason",
    "bounce_class",
    "accepted_at",
    "delivered_at",
    "bounced_at",
    "first_opened_at",
    "first_clicked_at",
    "unsubscribed_at",
    "complained_at",
)
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_NIL = UUID(int=0)


def _told(chosen: str, order: str) -> str:
    """The chosen events, and then, for these few alone, whose they are and which link it was."""
    return f"""
        SELECT e.*, coalesce(r.email, m.recipient_email, c.email) AS email, l.url
        FROM (SELECT id, campaign_id, contact_id, type, occurred_at, verdict, bounce_class, link_index, detail
              FROM message_event e WHERE {chosen} ORDER BY {order} LIMIT $6) e
        LEFT JOIN LATERAL (
          SELECT email FROM campaign_recipient
          WHERE tenant_id = $1 AND campaign_id = e.campaign_id AND contact_id = e.contact_id
          LIMIT 1) r ON true
        LEFT JOIN LATERAL (
          SELECT recipient_email FROM message
          WHERE tenant_id = $1 AND id = (e.detail->>'message_id')::uuid LIMIT 1) m ON true
        LEFT JOIN LATERAL (
          SELECT email FROM contact WHERE tenant_id = $1 AND id = e.contact_id LIMIT 1) c ON true
        LEFT JOIN LATERAL (
          SELECT url FROM campaign_link
          WHERE tenant_id = $1 AND campaign_id = e.campaign_id AND link_index = e.link_index
          LIMIT 1) l ON true
        ORDER BY {order}"""


async def recipients(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, states: Sequence[str], after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Recipients in these states, in the order of their contacts, those after the contact `after`."""
    rows = await tx.fetch(
        f"""SELECT {", ".join(RECIPIENT_COLUMNS)} FROM campaign_recipient
            WHERE tenant_id = $1 AND campaign_id = $2 AND state = ANY($3::text[]) AND contact_id > $4
            ORDER BY contact_id LIMIT $5""",
        tenant_id,
        campaign_id,
        list(states),
        after or _NIL,
        limit,
    )
    return [dict(row) for row in rows]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events. Times are from the first up to, not including, the last; nothing is before 1970."""

    types: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    human_only: bool = False

    @property
    def parameters(self) -> tuple[list[str], datetime, datetime, bool]:
        """What the conditions of every statement here begin with."""
        return (
            list(self.types or _ALL_TYPES),
            max(self.since or _FIRST, _FIRST),
            min(self.until or _LAST, _LAST),
            self.human_only,
        )


async def events(
    tx: Tx, tenant_id: UUID, which: EventFilter, after: tuple[datetime, UUID] | None, limit: int
) -> list[dict[str, Any]]:
    """Events of the tenant, the earliest first, those after (occurred_at, id) `after`."""
    chosen = f"{_CHOSEN} AND (e.occurred_at, e.id) > ($7::timestamptz, $8::uuid)"
    rows = await tx.fetch(
        _told(chosen, "e.occurred_at, e.id"),
        tenant_id,
        *which.parameters,
        limit,
        *(after or (_FIRST, _NIL)),
    )
    return [dict(row) for row in rows]


async def events_of_campaign(
    tx: Tx,
    tenant_id: UUID,
    campaign_id: UUID,
    which: EventFilter,
    after: tuple[UUID, datetime, UUID] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Events of a campaign's people, one person after the other, those after (contact, time, id)."""
    chosen = f"""{_CHOSEN} AND e.campaign_id = $7
        AND (e.contact_id, e.occurred_at, e.id) > ($8::uuid, $9::timestamptz, $10::uuid)"""
    rows = await tx.fetch(
        _told(chosen, "e.contact_id, e.occurred_at, e.id"),
        tenant_id,
        *which.parameters,
        limit,
        campaign_id,
        *(after or (_NIL, _FIRST, _NIL)),
    )
    return [dict(row) for row in rows]


async def events_of_nobody(
    tx: Tx,
    tenant_id: UUID,
    campaign_id: UUID,
    which: EventFilter,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Events of a campaign whose people were erased, those after (occurred_at, id) `after`."""
    chosen = f"""{_CHOSEN} AND e.campaign_id = $7 AND e.contact_id IS NULL
        AND (e.occurred_at, e.id) > ($8::timestamptz, $9::uuid)"""
    rows = await tx.fetch(
        _told(chosen, "e.occurred_at, e.id"),
        tenant_id,
        *which.parameters,
        limit,
        campaign_id,
        *(after or (_FIRST, _NIL)),
    )
    return [dict(row) for row in rows]
