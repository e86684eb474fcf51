"""SQL of consents: rows are only added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.database import Tx
from shared.utils import uuid7

_INSERT = """INSERT INTO contact_consent
    (tenant_id, id, contact_id, digest, channel, status, basis, source, shown_text, text_version, ip_digest,
     actor, occurred_at)"""
_COLUMNS = """k.id, k.channel, k.status, k.basis, k.source, k.shown_text AS text, k.text_version AS version,
    k.ip_digest IS NOT NULL AS has_ip, k.actor, k.occurred_at, k.recorded_at"""
_AGREES = "lower(coalesce(c.custom_fields ->> 'sms_marketing_consent', ''))"
_YES = "('subscribe', 'subscribed', 'yes', 'true')"


async def add(tx: Tx, tenant_id: UUID, contact_id: UUID, address: str, values: dict[str, Any]) -> UUID:
    """`values`: channel, status, basis, source, text, version, ip_digest, actor, at."""
    consent_id = uuid7()
    names = ("channel", "status", "basis", "source", "text", "version", "ip_digest", "actor", "at")
    await tx.execute(
        f"{_INSERT} VALUES ($1, $2, $3, erasure_digest($1, $4), $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        tenant_id,
        consent_id,
        contact_id,
        address,
        *(values[name] for name in names),
    )
    return consent_id


async def get(tx: Tx, tenant_id: UUID, consent_id: UUID) -> dict[str, Any]:
    """One that was just added."""
    sql = f"SELECT {_COLUMNS} FROM contact_consent k WHERE k.tenant_id = $1 AND k.id = $2"
    row = await tx.fetchrow(sql, tenant_id, consent_id)
    assert row is not None
    return dict(row)


async def page(
    tx: Tx,
    tenant_id: UUID,
    contact_id: UUID,
    addresses: Sequence[str],
    after: Sequence[Any] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Latest first, also those of merged contacts and those of the addresses alone; `after` is (at, id)."""
    occurred_at, consent_id = after or (None, None)
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM contact_consent k
           WHERE k.tenant_id = $1
             AND (k.contact_id = ANY(ARRAY(SELECT $2::uuid UNION ALL SELECT m.contact_id FROM contact_merge m
                                           WHERE m.tenant_id = $1 AND m.kept_id = $2))
                  OR k.digest = ANY(ARRAY(SELECT erasure_digest($1, a) FROM unnest($3::text[]) AS a)))
             AND ($4::timestamptz IS NULL OR (k.occurred_at, k.id) < ($4, $5::uuid))
           ORDER BY k.occurred_at DESC, k.id DESC LIMIT $6""",
        tenant_id,
        contact_id,
        list(addresses),
        occurred_at,
        consent_id,
        limit,
    )
    return [dict(row) for row in rows]


async def note_texts(tx: Tx, tenant_id: UUID, ids: Sequence[UUID], source: str, actor: UUID | None) -> None:
    """Record what contacts' field `sms_marketing_consent` says, where it says other than the record."""
    await tx.execute(_texts("c.id = ANY($4::uuid[])"), tenant_id, source, actor, list(ids))


async def note_staged_texts(tx: Tx, tenant_id: UUID, source: str, actor: UUID | None) -> None:
    """The same for the contacts of an import's staged rows."""
    await tx.execute(_texts(_STAGED), tenant_id, source, actor)


_STAGED = """c.id IN (
    SELECT e.id FROM import_row r JOIN contact e ON e.tenant_id = $1 AND e.email_lower = r.email_lower
    WHERE r.custom_fields ? 'sms_marketing_consent'
    UNION ALL
    SELECT e.id FROM import_row r
    JOIN contact e ON e.tenant_id = $1 AND e.phone_e164 = r.phone_e164 AND e.email IS NULL
    WHERE r.email IS NULL AND r.custom_fields ? 'sms_marketing_consent')"""


def _texts(people: str) -> str:
    """Parameters: tenant, source, actor. Contacts of photo portals say themselves since when and whence.

    A time that lies ahead, before 1970 or before what is on record already, is not believed.
    """
    return f"""{_INSERT}
        SELECT $1, gen_random_uuid(), g.id, erasure_digest($1, g.address), 'sms', g.status, 'consent',
               coalesce(g.said_by, $2), NULL, NULL, NULL, $3::uuid,
               CASE WHEN g.said_at < now() AND g.said_at > coalesce(k.occurred_at, 'epoch')
                    THEN g.said_at ELSE now() END
        FROM (SELECT c.id, coalesce(c.phone_e164, c.phone, c.email) AS address,
                     CASE WHEN {_AGREES} IN {_YES} THEN 'given' ELSE 'withdrawn' END AS status,
                     c.custom_fields ->> 'consent_source' AS said_by,
                     moment_or_null(c.custom_fields ->> 'sms_marketing_timestamp') AS said_at
              FROM contact c WHERE c.tenant_id = $1 AND {people}) g
        LEFT JOIN LATERAL (
            SELECT status, occurred_at FROM contact_consent
            WHERE tenant_id = $1 AND contact_id = g.id AND channel = 'sms'
            ORDER BY occurred_at DESC, id DESC LIMIT 1) k ON true
        WHERE g.status <> coalesce(k.status, 'withdrawn')"""


async def claim_staged(tx: Tx, tenant_id: UUID, claim: dict[str, Any], actor: UUID | None) -> None:
    """Record that the contacts of an import's staged rows have agreed, unless that is on record already.

    `claim`: channels, basis, source, text, version, at.
    """
    await tx.execute(
        f"""{_INSERT}
            SELECT $1, gen_random_uuid(), g.id, erasure_digest($1, g.address), g.channel, 'given', $3, $4, $5,
                   $6, NULL, $7::uuid, coalesce($8::timestamptz, now())
            FROM (SELECT c.id, h.channel,
                         CASE h.channel WHEN 'email' THEN c.email ELSE coalesce(c.phone_e164, c.phone) END
                             AS address
                  FROM unnest($2::text[]) AS h(channel), contact c
                  WHERE c.tenant_id = $1 AND c.id IN (
                      SELECT e.id FROM import_row r
                      JOIN contact e ON e.tenant_id = $1 AND e.email_lower = r.email_lower
                      UNION ALL
                      SELECT e.id FROM import_row r
                      JOIN contact e ON e.tenant_id = $1 AND e.phone_e164 = r.phone_e164 AND e.email IS NULL
                      WHERE r.email IS NULL)) g
            WHERE g.address IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM contact_consent k
                WHERE k.tenant_id = $1 AND k.contact_id = g.id AND k.channel = g.channel
                  AND k.status = 'given' AND k.basis = $3 AND k.source IS NOT DISTINCT FROM $4
                  AND k.shown_text IS NOT DISTINCT FROM $5 AND k.text_version IS NOT DISTINCT FROM $6)""",
        tenant_id,
        list(dict.fromkeys(claim["channels"])),
        claim["basis"],
        claim["source"],
        claim["text"],
        claim["version"],
        actor,
        claim["at"],
    )
