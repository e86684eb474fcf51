"""SQL of the polling of MailWizz."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from shared.database import Tx


async def tenants(tx: Tx) -> list[UUID]:
    """Tenants that have a MailWizz to be asked, and campaigns that it knows or is to send."""
    rows = await tx.fetch(
        """SELECT DISTINCT p.tenant_id FROM sending_provider p
           WHERE p.kind = 'mailwizz' AND (p.settings->>'poll')::boolean
             AND EXISTS (SELECT 1 FROM campaign c
                         WHERE c.tenant_id = p.tenant_id AND c.external_ref IS NOT NULL)
           UNION SELECT tenant_id FROM mailwizz_campaign WHERE NOT is_over"""
    )
    return [row["tenant_id"] for row in rows]


async def campaigns(tx: Tx, tenant_id: UUID, since: datetime) -> list[tuple[UUID, str, str | None]]:
    """(campaign, its name there, the provider that we brought it to) of campaigns started since a time.

    The one not asked about longest comes first.
    """
    rows = await tx.fetch(
        """SELECT c.id, c.external_ref, m.provider,
                  (SELECT min(k.polled_at) FROM mailwizz_cursor k
                   WHERE k.tenant_id = $1 AND k.campaign_id = c.id) AS polled_at
           FROM campaign c
           LEFT JOIN mailwizz_campaign m ON m.tenant_id = $1 AND m.campaign_id = c.id
           WHERE c.tenant_id = $1 AND c.external_ref IS NOT NULL AND c.started_at >= $2
           ORDER BY polled_at NULLS FIRST, c.id""",
        tenant_id,
        since,
    )
    return [(row["id"], row["external_ref"], row["provider"]) for row in rows]


async def cursor(tx: Tx, tenant_id: UUID, campaign_id: UUID, stream: str) -> tuple[int, datetime | None]:
    """Records taken in, and when the whole list was last read from its start."""
    row = await tx.fetchrow(
        """SELECT seen, whole_at FROM mailwizz_cursor
           WHERE tenant_id = $1 AND campaign_id = $2 AND stream = $3 FOR UPDATE""",
        tenant_id,
        campaign_id,
        stream,
    )
    return (row["seen"], row["whole_at"]) if row else (0, None)


async def set_cursor(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, stream: str, seen: int, now: datetime, whole_at: datetime
) -> None:
    await tx.execute(
        """INSERT INTO mailwizz_cursor (tenant_id, campaign_id, stream, seen, polled_at, whole_at)
           VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (tenant_id, campaign_id, stream) DO UPDATE SET
             seen = excluded.seen, polled_at = excluded.polled_at, whole_at = excluded.whole_at""",
        tenant_id,
        campaign_id,
        stream,
        seen,
        now,
        whole_at,
    )


async def new_keys(tx: Tx, tenant_id: UUID, campaign_id: UUID, keys: Iterable[bytes]) -> set[bytes]:
    """Put records on record; those that were not there before."""
    rows = await tx.fetch(
        """INSERT INTO mailwizz_record (tenant_id, campaign_id, key)
           SELECT $1, $2, unnest($3::bytea[]) ON CONFLICT DO NOTHING RETURNING key""",
        tenant_id,
        campaign_id,
        sorted(set(keys)),
    )
    return {row["key"] for row in rows}


async def recipients(tx: Tx, tenant_id: UUID, campaign_id: UUID, addresses: Sequence[str]) -> dict[str, UUID]:
    """Lower-cased addresses of a campaign's recipients to contacts."""
    rows = await tx.fetch(
        """SELECT c.email_lower, c.id FROM contact c
           WHERE c.tenant_id = $1 AND c.email_lower = ANY($3::text[])
             AND EXISTS (SELECT 1 FROM campaign_recipient r
                         WHERE r.tenant_id = $1 AND r.campaign_id = $2 AND r.contact_id = c.id)""",
        tenant_id,
        campaign_id,
        list(addresses),
    )
    return {row["email_lower"]: row["id"] for row in rows}
