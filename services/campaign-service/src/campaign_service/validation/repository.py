"""SQL of validation: whose turn it is, what was found out, and what is known of domains."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from campaign_service.validation.rules import Finding, Verdict
from shared.database import Tx

# Only an address that validation itself took out comes back by validation.
_STATUS = """CASE
    WHEN g.status = 'invalid' AND c.status IN ('pending', 'valid') THEN 'invalid'
    WHEN g.status = 'valid' AND c.status = 'pending' THEN 'valid'
    WHEN g.status = 'valid' AND c.status = 'invalid' AND c.validation_status = 'invalid'
         AND NOT EXISTS (SELECT 1 FROM suppression s WHERE s.tenant_id = $1 AND s.channel = 'email'
                         AND s.address_lower = c.email_lower) THEN 'valid'
    ELSE c.status END"""
_DUE = """c.tenant_id = $1 AND c.email IS NOT NULL AND (c.validated_at IS NULL OR c.validated_at < $2)
    AND ($3::uuid[] IS NULL OR c.id = ANY($3))
    AND ($4::text IS NULL OR EXISTS (
        SELECT 1 FROM contact_tag ct JOIN tag t ON t.tenant_id = $1 AND t.id = ct.tag_id
        WHERE ct.tenant_id = $1 AND ct.contact_id = c.id AND t.slug = $4))"""


async def count_due(
    tx: Tx, tenant_id: UUID, before: datetime, ids: Sequence[UUID] | None, tag: str | None
) -> int:
    """How many contacts with an address have not been validated since `before`."""
    sql = f"SELECT count(*) FROM contact c WHERE {_DUE}"
    return int(await tx.fetchval(sql, tenant_id, before, ids, tag))


async def due(
    tx: Tx,
    tenant_id: UUID,
    before: datetime,
    ids: Sequence[UUID] | None,
    tag: str | None,
    *,
    after: UUID | None,
    limit: int,
) -> list[tuple[UUID, str]]:
    """The next contacts to validate, as (id, address), in the order of ids."""
    rows = await tx.fetch(
        f"""SELECT c.id, c.email FROM contact c
            WHERE {_DUE} AND ($5::uuid IS NULL OR c.id > $5) ORDER BY c.id LIMIT $6""",
        tenant_id,
        before,
        ids,
        tag,
        after,
        limit,
    )
    return [(row["id"], row["email"]) for row in rows]


async def save(tx: Tx, tenant_id: UUID, found: Sequence[tuple[UUID, str, Finding]], now: datetime) -> None:
    """Keep the findings, as (id, address, finding); an address that was changed meanwhile is left alone."""
    await tx.execute(
        f"""UPDATE contact c SET validation_status = g.status, validation_score = g.score,
                validation_errors = string_to_array(g.reasons, ' '), validated_at = $2, status = {_STATUS},
                updated_at = $2
            FROM unnest($3::uuid[], $4::text[], $5::text[], $6::real[], $7::text[])
                AS g(id, email, status, score, reasons)
            WHERE c.tenant_id = $1 AND c.id = g.id AND c.email = g.email""",
        tenant_id,
        now,
        [contact_id for contact_id, _, _ in found],
        [email for _, email, _ in found],
        [finding.status for _, _, finding in found],
        [finding.score for _, _, finding in found],
        [" ".join(finding.reasons) for _, _, finding in found],
    )


async def known_domains(
    tx: Tx, tenant_id: UUID, domains: Collection[str], now: datetime
) -> dict[str, Verdict]:
    """Verdicts that have not expired."""
    rows = await tx.fetch(
        """SELECT domain, verdict FROM mail_domain
           WHERE tenant_id = $1 AND domain = ANY($2::text[]) AND expires_at > $3""",
        tenant_id,
        list(domains),
        now,
    )
    return {row["domain"]: row["verdict"] for row in rows}


async def keep_domains(
    tx: Tx, tenant_id: UUID, rows: Sequence[tuple[str, Verdict, datetime]], now: datetime
) -> None:
    """Remember verdicts, as (domain, verdict, until)."""
    await tx.execute(
        """INSERT INTO mail_domain (tenant_id, domain, verdict, checked_at, expires_at)
           SELECT $1, g.domain, g.verdict, $2, g.until
           FROM unnest($3::text[], $4::text[], $5::timestamptz[]) AS g(domain, verdict, until)
           ON CONFLICT (tenant_id, domain) DO UPDATE SET
               verdict = excluded.verdict, checked_at = excluded.checked_at,
               expires_at = excluded.expires_at""",
        tenant_id,
        now,
        *([row[n] for row in rows] for n in range(3)),
    )


async def forget_domains(tx: Tx, now: datetime) -> int:
    """Remove verdicts of any tenant that expired."""
    sql = "DELETE FROM mail_domain WHERE expires_at < $1"
    return int(await tx.affected(sql, now))
