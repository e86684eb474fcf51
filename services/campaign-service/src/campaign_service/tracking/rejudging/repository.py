"""SQL of judging again: what there is to judge, a batch of people at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from campaign_service.tracking.hits import Hit
from campaign_service.tracking.rejudging.crowds import MANY_RECIPIENTS, Crowd, Crowds
from campaign_service.tracking.verdict import Verdict
from shared.database import Tx

_HITS = "type IN ('opened', 'clicked')"


async def campaigns(tx: Tx, tenant_id: UUID, start: UUID) -> list[UUID]:
    """Campaigns that were started, in the order of their ids, from `start` on."""
    rows = await tx.fetch(
        """SELECT id FROM campaign
           WHERE tenant_id = $1 AND id >= $2 AND started_at IS NOT NULL ORDER BY id""",
        tenant_id,
        start,
    )
    return [row["id"] for row in rows]


async def recently_hit(tx: Tx, since: date) -> list[tuple[UUID, UUID]]:
    """(tenant, campaign) with opens or clicks of people since a day; in a system transaction."""
    rows = await tx.fetch(
        """SELECT DISTINCT tenant_id, campaign_id FROM campaign_stats
           WHERE day >= $1 AND opens_human + clicks_human > 0 ORDER BY tenant_id, campaign_id""",
        since,
    )
    return [(row["tenant_id"], row["campaign_id"]) for row in rows]


async def people(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, since: datetime, after: UUID, limit: int
) -> list[UUID]:
    """Contacts with hits since a time, in the order of their ids, those after `after`."""
    rows = await tx.fetch(
        f"""SELECT DISTINCT contact_id FROM message_event
            WHERE tenant_id = $1 AND campaign_id = $2 AND {_HITS} AND occurred_at >= $3 AND contact_id > $4
            ORDER BY contact_id LIMIT $5""",
        tenant_id,
        campaign_id,
        since,
        after,
        limit,
    )
    return [row["contact_id"] for row in rows]


async def crowds(tx: Tx, tenant_id: UUID, campaign_id: UUID, since: datetime) -> Crowds:
    """Visitors that asked for the mails of many people in one window of time."""
    rows = await tx.fetch(
        f"""SELECT e.detail->>'visitor' AS visitor, e.detail->>'user_agent' AS program, w.number
            FROM message_event e CROSS JOIN LATERAL (VALUES
              (2 * floor(extract(epoch FROM e.occurred_at) / 60)::bigint),
              (2 * floor((extract(epoch FROM e.occurred_at) + 30) / 60)::bigint - 1)) AS w (number)
            WHERE e.tenant_id = $1 AND e.campaign_id = $2 AND {_HITS} AND e.occurred_at >= $3
              AND e.detail->>'visitor' <> ''
            GROUP BY 1, 2, 3 HAVING count(DISTINCT e.contact_id) >= $4""",
        tenant_id,
        campaign_id,
        since,
        MANY_RECIPIENTS,
    )
    found: set[Crowd] = {(row["visitor"], row["program"] or "", row["number"]) for row in rows}
    return Crowds(found)


async def hits(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, contacts: Sequence[UUID]
) -> dict[UUID, list[tuple[Hit, Verdict]]]:
    """All hits on record with their verdicts, by contact; those without their circumstances are left out."""
    rows = await tx.fetch(
        f"""SELECT contact_id, type, occurred_at, link_index, verdict, dedupe_key, detail FROM message_event
            WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = ANY($3::uuid[]) AND {_HITS}
              AND detail ? 'user_agent'""",
        tenant_id,
        campaign_id,
        list(contacts),
    )
    found: defaultdict[UUID, list[tuple[Hit, Verdict]]] = defaultdict(list)
    for row in rows:
        detail = row["detail"]
        hit = Hit(
            tenant_id=tenant_id,
            campaign_id=campaign_id,
            contact_id=row["contact_id"],
            kind="open" if row["type"] == "opened" else "click",
            at=row["occurred_at"],
            link_index=row["link_index"],
            method=detail.get("method") or "GET",
            user_agent=detail["user_agent"],
            visitor=detail.get("visitor") or "",
            dedupe_key=row["dedupe_key"],
            source=detail.get("source") or "web",
        )
        found[row["contact_id"]].append((hit, row["verdict"]))
    return found


async def firsts(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, contacts: Sequence[UUID]
) -> dict[UUID, tuple[datetime | None, datetime | None]]:
    """Times of the first open and the first click that are held to be a person's."""
    rows = await tx.fetch(
        f"""SELECT contact_id, min(occurred_at) FILTER (WHERE type = 'opened') AS opened,
                   min(occurred_at) FILTER (WHERE type = 'clicked') AS clicked
            FROM message_event
            WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = ANY($3::uuid[]) AND {_HITS}
              AND verdict = 'human'
            GROUP BY contact_id""",
        tenant_id,
        campaign_id,
        list(contacts),
    )
    found = {row["contact_id"]: (row["opened"], row["clicked"]) for row in rows}
    return {contact_id: found.get(contact_id, (None, None)) for contact_id in contacts}
