"""SQL of campaigns that MailWizz sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx


@dataclass(frozen=True, slots=True)
class Carried:
    """How far a campaign has been brought there. Recipients up to `uploaded_to` are on the list."""

    campaign_id: UUID
    provider: str
    list_uid: str | None
    uploaded_to: UUID | None
    is_uploaded: bool
    campaign_uid: str | None


async def insert(tx: Tx, tenant_id: UUID, campaign_id: UUID, provider: str) -> None:
    await tx.execute(
        "INSERT INTO mailwizz_campaign (tenant_id, campaign_id, provider) VALUES ($1, $2, $3)",
        tenant_id,
        campaign_id,
        provider,
    )


async def exists(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> bool:
    found: bool = await tx.fetchval(
        "SELECT EXISTS (SELECT 1 FROM mailwizz_campaign WHERE tenant_id = $1 AND campaign_id = $2)",
        tenant_id,
        campaign_id,
    )
    return found


async def not_over(tx: Tx, tenant_id: UUID) -> list[Carried]:
    """The tenant's campaigns of which MailWizz has something left to do, or has to be told something."""
    rows = await tx.fetch(
        """SELECT campaign_id, provider, list_uid, uploaded_to, is_uploaded, campaign_uid
           FROM mailwizz_campaign WHERE tenant_id = $1 AND NOT is_over ORDER BY campaign_id""",
        tenant_id,
    )
    return [Carried(**dict(row)) for row in rows]


async def set_list(tx: Tx, tenant_id: UUID, campaign_id: UUID, list_uid: str) -> None:
    await tx.execute(
        "UPDATE mailwizz_campaign SET list_uid = $3 WHERE tenant_id = $1 AND campaign_id = $2",
        tenant_id,
        campaign_id,
        list_uid,
    )


async def set_uploaded(tx: Tx, tenant_id: UUID, campaign_id: UUID, last: UUID | None) -> None:
    """Recipients up to `last` are there; None: all are."""
    await tx.execute(
        """UPDATE mailwizz_campaign
           SET uploaded_to = coalesce($3::uuid, uploaded_to), is_uploaded = $3::uuid IS NULL
           WHERE tenant_id = $1 AND campaign_id = $2""",
        tenant_id,
        campaign_id,
        last,
    )


async def set_created(tx: Tx, tenant_id: UUID, campaign_id: UUID, uid: str) -> None:
    """The campaign is there, under a name by which its records are asked for."""
    await tx.execute(
        "UPDATE mailwizz_campaign SET campaign_uid = $3 WHERE tenant_id = $1 AND campaign_id = $2",
        tenant_id,
        campaign_id,
        uid,
    )
    await tx.execute(
        "UPDATE campaign SET external_ref = $3 WHERE tenant_id = $1 AND id = $2", tenant_id, campaign_id, uid
    )


async def set_over(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> None:
    await tx.execute(
        "UPDATE mailwizz_campaign SET is_over = true WHERE tenant_id = $1 AND campaign_id = $2",
        tenant_id,
        campaign_id,
    )


async def waiting(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """The next recipients to be put on the list, by id."""
    rows = await tx.fetch(
        """SELECT r.contact_id, r.email, c.first_name, c.last_name, c.country, c.language, c.custom_fields
           FROM campaign_recipient r JOIN contact c ON c.tenant_id = r.tenant_id AND c.id = r.contact_id
           WHERE r.tenant_id = $1 AND r.campaign_id = $2 AND r.state = 'queued'
             AND ($3::uuid IS NULL OR r.contact_id > $3)
           ORDER BY r.contact_id LIMIT $4""",
        tenant_id,
        campaign_id,
        after,
        limit,
    )
    return [dict(row) for row in rows]


async def accept(tx: Tx, tenant_id: UUID, campaign_id: UUID, addresses: Sequence[str], now: datetime) -> int:
    """Recipients, by lower-cased address, to whom MailWizz says that it sent; and their figure."""
    number: int = await tx.fetchval(
        """WITH sent AS (
             UPDATE campaign_recipient
             SET state = 'accepted', accepted_at = $4, attempts = attempts + 1, next_attempt_at = NULL,
                 updated_at = $4
             WHERE tenant_id = $1 AND campaign_id = $2 AND state IN ('queued', 'cancelled')
               AND EXISTS (SELECT 1 FROM mailwizz_campaign WHERE tenant_id = $1 AND campaign_id = $2)
               AND contact_id = ANY(ARRAY(SELECT id FROM contact
                                          WHERE tenant_id = $1 AND email_lower = ANY($3::text[])))
             RETURNING 1),
           counted AS (
             INSERT INTO campaign_stats AS s (tenant_id, campaign_id, day, sent)
             SELECT $1, $2, ($4::timestamptz AT TIME ZONE 'UTC')::date, count(*) FROM sent HAVING count(*) > 0
             ON CONFLICT (tenant_id, campaign_id, day) DO UPDATE SET sent = s.sent + excluded.sent)
           SELECT count(*) FROM sent""",
        tenant_id,
        campaign_id,
        list(addresses),
        now,
    )
    return number


async def fail_waiting(tx: Tx, tenant_id: UUID, campaign_id: UUID, detail: str, now: datetime) -> int:
    """Those of whom MailWizz never spoke, though it is through, and their figure."""
    number: int = await tx.fetchval(
        """WITH failed AS (
             UPDATE campaign_recipient
             SET state = 'failed', last_code = 'mailwizz', last_detail = $3, next_attempt_at = NULL,
                 updated_at = $4
             WHERE tenant_id = $1 AND campaign_id = $2 AND state = 'queued' RETURNING 1),
           counted AS (
             INSERT INTO campaign_stats AS s (tenant_id, campaign_id, day, failed)
             SELECT $1, $2, ($4::timestamptz AT TIME ZONE 'UTC')::date, count(*) FROM failed
             HAVING count(*) > 0
             ON CONFLICT (tenant_id, campaign_id, day) DO UPDATE SET failed = s.failed + excluded.failed)
           SELECT count(*) FROM failed""",
        tenant_id,
        campaign_id,
        detail,
        now,
    )
    return number
