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
    """How far a campaign has been brought there. Recipients up to `uploaded_to` are on the list.

    `creating_at`: since when there may be a campaign there of whose making we have not heard.
    """

    campaign_id: UUID
    provider: str
    list_uid: str | None
    uploaded_to: UUID | None
    is_uploaded: bool
    campaign_uid: str | None
    creating_at: datetime | None


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
        """SELECT campaign_id, provider, list_uid, uploaded_to, is_uploaded, campaign_uid, creating_at
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


async def set_creating(tx: Tx, tenant_id: UUID, campaign_id: UUID, now: datetime) -> None:
    """From here on there may be a campaign there."""
    await tx.execute(
        "UPDATE mailwizz_campaign SET creating_at = $3 WHERE tenant_id = $1 AND campaign_id = $2",
        tenant_id,
        campaign_id,
        now,
    )


async def set_created(tx: Tx, tenant_id: UUID, campaign_id: UUID, uid: str) -> str:
    """The campaign is there; who says so first gives the name by which its records are asked for."""
    first: str = await tx.fetchval(
        """UPDATE mailwizz_campaign SET campaign_uid = coalesce(campaign_uid, $3)
           WHERE tenant_id = $1 AND campaign_id = $2 RETURNING campaign_uid""",
        tenant_id,
        campaign_id,
        uid,
    )
    await tx.execute(
        "UPDATE campaign SET external_ref = $3 WHERE tenant_id = $1 AND id = $2",
        tenant_id,
        campaign_id,
        first,
    )
    return first


async def say_silence(tx: Tx, tenant_id: UUID, campaign_id: UUID, trouble: str | None) -> None:
    """Write on a campaign being sent that its MailWizz gives no answer; None: it does. Other reasons stay."""
    await tx.execute(
        """UPDATE campaign SET status_reason = $3
           WHERE tenant_id = $1 AND id = $2 AND status = 'sending' AND status_reason IS DISTINCT FROM $3
             AND (status_reason IS NULL OR status_reason LIKE 'its MailWizz does not answer%')""",
        tenant_id,
        campaign_id,
        trouble and f"its MailWizz does not answer: {trouble[:200]}",
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
    """Recipients, by lower-cased address, to whom MailWizz says that it sent; and their figure.

    It may have been quicker than we were with taking somebody off its list: then they were mailed.
    """
    number: int = await tx.fetchval(
        """WITH told AS (
             SELECT contact_id, state FROM campaign_recipient
             WHERE tenant_id = $1 AND campaign_id = $2 AND state IN ('queued', 'cancelled', 'skipped')
               AND contact_id = ANY(ARRAY(SELECT contact_id FROM mailwizz_subscriber
                                          WHERE tenant_id = $1 AND campaign_id = $2
                                            AND address = ANY($3::text[])
                                          UNION
                                          SELECT id FROM contact
                                          WHERE tenant_id = $1 AND email_lower = ANY($3::text[])))
               AND EXISTS (SELECT 1 FROM mailwizz_campaign WHERE tenant_id = $1 AND campaign_id = $2)
             ORDER BY contact_id FOR UPDATE),
           sent AS (
             UPDATE campaign_recipient
             SET state = 'accepted', accepted_at = $4, attempts = attempts + 1, next_attempt_at = NULL,
                 skip_reason = NULL, updated_at = $4
             WHERE tenant_id = $1 AND campaign_id = $2
               AND contact_id = ANY(ARRAY(SELECT contact_id FROM told))
             RETURNING contact_id),
           counted AS (
             INSERT INTO campaign_stats AS s (tenant_id, campaign_id, day, sent, skipped)
             SELECT $1, $2, ($4::timestamptz AT TIME ZONE 'UTC')::date, count(*),
                    -count(*) FILTER (WHERE told.state = 'skipped')
             FROM sent JOIN told USING (contact_id) HAVING count(*) > 0
             ON CONFLICT (tenant_id, campaign_id, day) DO UPDATE
             SET sent = s.sent + excluded.sent, skipped = s.skipped + excluded.skipped)
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
