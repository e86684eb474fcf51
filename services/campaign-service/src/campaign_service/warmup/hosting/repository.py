"""SQL of domains and the providers of their mailboxes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from campaign_service.warmup.plans import MailboxProvider
from shared.database import Tx


async def tenants(tx: Tx) -> list[UUID]:
    """Tenants that treat mailbox providers differently."""
    rows = await tx.fetch(
        """SELECT tenant_id FROM warmup_plan WHERE mailbox_provider <> '' AND status <> 'finished'
           UNION SELECT tenant_id FROM sending_limit
           WHERE scope = 'mailbox_provider' AND per_minute IS NOT NULL"""
    )
    return [row["tenant_id"] for row in rows]


async def known(tx: Tx, tenant_id: UUID, domains: Collection[str]) -> dict[str, MailboxProvider]:
    """What is known of domains, also when it is time to ask again."""
    rows = await tx.fetch(
        "SELECT domain, provider FROM mailbox_host WHERE tenant_id = $1 AND domain = ANY($2::text[])",
        tenant_id,
        list(domains),
    )
    return {row["domain"]: row["provider"] for row in rows}


async def to_ask(tx: Tx, tenant_id: UUID, own: Collection[str], now: datetime, limit: int) -> list[str]:
    """Contacts' domains without `own`, of which nothing is known, or not lately; most contacts first."""
    rows = await tx.fetch(
        """SELECT d.domain
           FROM (SELECT substring(email_lower FROM '@([^@]+)$') AS domain, count(*) AS contacts FROM contact
                 WHERE tenant_id = $1 AND email IS NOT NULL AND status = 'valid' GROUP BY 1) d
           WHERE d.domain <> ALL($2::text[])
             AND NOT EXISTS (SELECT 1 FROM mailbox_host h
                             WHERE h.tenant_id = $1 AND h.domain = d.domain AND h.expires_at > $3)
           ORDER BY d.contacts DESC, d.domain LIMIT $4""",
        tenant_id,
        list(own),
        now,
        limit,
    )
    return [row["domain"] for row in rows]


async def keep(
    tx: Tx, tenant_id: UUID, rows: Sequence[tuple[str, MailboxProvider, datetime]], now: datetime
) -> None:
    """Remember providers, as (domain, provider, until)."""
    await tx.execute(
        """INSERT INTO mailbox_host (tenant_id, domain, provider, checked_at, expires_at)
           SELECT $1, g.domain, g.provider, $2, g.until
           FROM unnest($3::text[], $4::text[], $5::timestamptz[]) AS g (domain, provider, until)
           ON CONFLICT (tenant_id, domain) DO UPDATE SET provider = excluded.provider,
             checked_at = excluded.checked_at, expires_at = excluded.expires_at""",
        tenant_id,
        now,
        *([row[n] for row in rows] for n in range(3)),
    )


async def forget(tx: Tx, before: datetime) -> int:
    """Remove what nobody has asked again about since `before`, of any tenant."""
    return await tx.affected("DELETE FROM mailbox_host WHERE expires_at < $1", before)
