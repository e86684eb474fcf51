"""SQL of the links in texts and of who clicked them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from shared.database import Tx


async def add(tx: Tx, tenant_id: UUID, campaign_id: UUID, links: Iterable[tuple[int, int, str]]) -> None:
    """(variant, index, url) each."""
    rows = list(links)
    await tx.execute(
        """INSERT INTO sms_link (tenant_id, campaign_id, variant, link_index, url)
           SELECT $1, $2, * FROM unnest($3::smallint[], $4::int[], $5::text[])""",
        tenant_id,
        campaign_id,
        *([row[place] for row in rows] for place in range(3)),
    )


async def of(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> list[dict[str, Any]]:
    rows = await tx.fetch(
        """SELECT variant, link_index, url, short_url FROM sms_link
           WHERE tenant_id = $1 AND campaign_id = $2 ORDER BY variant, link_index""",
        tenant_id,
        campaign_id,
    )
    return [dict(row) for row in rows]


async def set_short(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, made: Sequence[tuple[int, int, str | None, UUID | None]]
) -> None:
    """(variant, index, short address, its link) each; without one the link stays as it was written."""
    await tx.execute(
        """UPDATE sms_link l SET short_url = coalesce(u.short_url, l.url), link_id = u.link_id
           FROM unnest($3::smallint[], $4::int[], $5::text[], $6::uuid[])
             AS u (variant, link_index, short_url, link_id)
           WHERE l.tenant_id = $1 AND l.campaign_id = $2 AND l.variant = u.variant
             AND l.link_index = u.link_index AND l.short_url IS NULL""",
        tenant_id,
        campaign_id,
        *([row[place] for row in made] for place in range(4)),
    )


async def count_click(tx: Tx, tenant_id: UUID, link_id: UUID) -> dict[str, Any] | None:
    """The campaign, variant and index of a link in a text, clicked once more; None for any other link."""
    row = await tx.fetchrow(
        """UPDATE sms_link SET clicks = clicks + 1 WHERE tenant_id = $1 AND link_id = $2
           RETURNING campaign_id, variant, link_index""",
        tenant_id,
        link_id,
    )
    return dict(row) if row else None


async def add_visitor(tx: Tx, tenant_id: UUID, link: dict[str, Any], visitor: str) -> bool:
    """Whether it is the visitor's first click on any link of the campaign."""
    known: bool = await tx.fetchval(
        """SELECT EXISTS (SELECT 1 FROM sms_visitor
                          WHERE tenant_id = $1 AND campaign_id = $2 AND visitor = $3)""",
        tenant_id,
        link["campaign_id"],
        visitor,
    )
    await tx.execute(
        """INSERT INTO sms_visitor (tenant_id, campaign_id, variant, link_index, visitor)
           VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING""",
        tenant_id,
        *(link[name] for name in ("campaign_id", "variant", "link_index")),
        visitor,
    )
    return not known


async def clicked(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> list[dict[str, Any]]:
    """Each address with its clicks over all variants."""
    rows = await tx.fetch(
        """SELECT l.url, sum(l.clicks)::bigint AS clicks_human,
                  coalesce(sum(v.people), 0)::bigint AS unique_clicks
           FROM sms_link l
           LEFT JOIN (SELECT variant, link_index, count(*) AS people FROM sms_visitor
                      WHERE tenant_id = $1 AND campaign_id = $2 GROUP BY variant, link_index) v
             USING (variant, link_index)
           WHERE l.tenant_id = $1 AND l.campaign_id = $2
           GROUP BY l.url ORDER BY min(l.variant), min(l.link_index)""",
        tenant_id,
        campaign_id,
    )
    return [dict(row) for row in rows]


async def people_by_variant(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> dict[int, int]:
    """How many clicked a link of each variant."""
    rows = await tx.fetch(
        """SELECT variant, count(DISTINCT visitor) AS people FROM sms_visitor
           WHERE tenant_id = $1 AND campaign_id = $2 GROUP BY variant""",
        tenant_id,
        campaign_id,
    )
    return {row["variant"]: row["people"] for row in rows}
