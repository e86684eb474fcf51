"""SQL of texts that a provider has taken, a whole batch in each statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx
from shared.utils import uuid7


async def insert(tx: Tx, tenant_id: UUID, rows: Sequence[dict[str, Any]]) -> None:
    """Texts of a campaign on record before they leave. `rows` have the same keys."""
    names = list(rows[0])
    await tx.execute(
        f"""INSERT INTO sms_message (tenant_id, {", ".join(names)})
            SELECT $1, {", ".join(f"g.{name}" for name in names)}
            FROM jsonb_populate_recordset(NULL::sms_message, $2) AS g""",
        tenant_id,
        [{name: _plain(value) for name, value in row.items()} for row in rows],
    )


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


async def lock_sids(tx: Tx, sids: Sequence[str]) -> None:
    """As `lock_sid`, all in the same order everywhere."""
    await tx.execute(
        """SELECT pg_advisory_xact_lock(key)
           FROM (SELECT hashtextextended('sms ' || sid, 0) AS key FROM unnest($1::text[]) AS sid
                 ORDER BY 1) k""",
        list(sids),
    )


async def record(tx: Tx, tenant_id: UUID, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Write that texts were taken, each `age` seconds ago; those still this worker's, as they are now."""
    names = ("id", "token", "sid", "provider_status", "sender", "rank", "age")
    found = await tx.fetch(
        """UPDATE sms_message m SET status = 'sent', error_code = NULL, error_detail = NULL,
               provider_sid = g.sid, provider_status = coalesce(g.provider_status, m.provider_status),
               business_phone = coalesce(g.sender, m.business_phone), rank = greatest(m.rank, g.rank),
               sent_at = clock_timestamp() - make_interval(secs => g.age), lease_token = NULL,
               lease_until = NULL, updated_at = now()
           FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::int[], $8::float8[])
             AS g (id, token, sid, provider_status, sender, rank, age)
           WHERE m.tenant_id = $1 AND m.id = g.id AND m.lease_token = g.token RETURNING m.*""",
        tenant_id,
        *([row[name] for row in rows] for name in names),
    )
    return [dict(row) for row in found]


async def accept(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, contact_ids: Sequence[UUID], now: datetime
) -> set[UUID]:
    """Bring recipients to `accepted` and count them; without those who are further already."""
    rows = await tx.fetch(
        """WITH moved AS (
             UPDATE campaign_recipient
             SET state = 'accepted', lease_token = NULL, lease_until = NULL, updated_at = $4,
                 next_attempt_at = NULL, accepted_at = coalesce(accepted_at, $4)
             WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = ANY($3::uuid[])
               AND state IN ('attempting', 'ambiguous') RETURNING contact_id),
           counted AS (
             INSERT INTO campaign_stats AS s (tenant_id, campaign_id, day, sent)
             SELECT $1, $2, ($4::timestamptz AT TIME ZONE 'UTC')::date, count(*) FROM moved
             HAVING count(*) > 0
             ON CONFLICT (tenant_id, campaign_id, day) DO UPDATE SET sent = s.sent + excluded.sent)
           SELECT contact_id FROM moved""",
        tenant_id,
        campaign_id,
        list(contact_ids),
        now,
    )
    return {row["contact_id"] for row in rows}


async def add_events(
    tx: Tx,
    tenant_id: UUID,
    campaign_id: UUID,
    facts: Sequence[tuple[UUID, dict[str, Any], bytes]],
    now: datetime,
) -> None:
    """(contact, detail, dedupe key) of texts that went, on the contacts' records."""
    await tx.execute(
        """INSERT INTO message_event
             (tenant_id, id, campaign_id, contact_id, type, occurred_at, received_at, detail, dedupe_key)
           SELECT $1, g.id, $2, g.contact_id, 'sent', $3, $3, g.detail, g.key
           FROM unnest($4::uuid[], $5::uuid[], $6::jsonb[], $7::bytea[]) AS g (id, contact_id, detail, key)
           ON CONFLICT DO NOTHING""",
        tenant_id,
        campaign_id,
        now,
        [uuid7() for _ in facts],
        [contact_id for contact_id, _, _ in facts],
        [detail for _, detail, _ in facts],
        [key for _, _, key in facts],
    )


async def take_early(tx: Tx, tenant_id: UUID, sids: Sequence[str]) -> list[tuple[str, str, str | None]]:
    """(sid, status, error code) of reports that were waiting for these texts, in their order."""
    rows = await tx.fetch(
        """DELETE FROM sms_early_report WHERE tenant_id = $1 AND provider_sid = ANY($2::text[])
           RETURNING id, provider_sid, status, error_code""",
        tenant_id,
        list(sids),
    )
    return [
        (row["provider_sid"], row["status"], row["error_code"])
        for row in sorted(rows, key=lambda row: row["id"])
    ]
