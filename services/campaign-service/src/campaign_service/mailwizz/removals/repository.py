"""SQL of who is on MailWizz's lists and has to leave them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.database import Tx

# Whose request to be put on the list is under way would be put on it after they were taken off.
_IS_ON = "(m.is_uploaded OR s.contact_id <= m.uploaded_to)"
_LEAVING = "s.leave IS NOT NULL AND s.left_at IS NULL"
# From a campaign that is over nobody is written to any more; who was erased goes all the same.
_MATTERS = "(s.leave = 'delete' OR NOT m.is_over)"


@dataclass(frozen=True, slots=True)
class Leaving:
    """Somebody on a list there who has to leave it."""

    campaign_id: UUID
    contact_id: UUID
    provider: str
    list_uid: str
    address: str
    leave: Literal["unsubscribe", "delete"]


async def tenants(tx: Tx) -> list[UUID]:
    """Tenants with somebody on a list of a campaign that goes on, or who has yet to leave one."""
    rows = await tx.fetch(
        f"""SELECT tenant_id FROM mailwizz_campaign
            WHERE NOT is_over AND (is_uploaded OR uploaded_to IS NOT NULL)
            UNION SELECT s.tenant_id FROM mailwizz_subscriber s
            JOIN mailwizz_campaign m ON m.tenant_id = s.tenant_id AND m.campaign_id = s.campaign_id
            WHERE {_LEAVING} AND {_MATTERS}"""
    )
    return [row["tenant_id"] for row in rows]


async def add(tx: Tx, tenant_id: UUID, campaign_id: UUID, people: Sequence[tuple[UUID, str]]) -> None:
    """(contact, address) of who is about to be put on the campaign's list."""
    await tx.execute(
        """INSERT INTO mailwizz_subscriber (tenant_id, campaign_id, contact_id, address)
           SELECT $1, $2, g.id, lower(g.address) FROM unnest($3::uuid[], $4::text[]) AS g (id, address)
           ON CONFLICT DO NOTHING""",
        tenant_id,
        campaign_id,
        [contact_id for contact_id, _ in people],
        [address for _, address in people],
    )


async def open_lists(tx: Tx, tenant_id: UUID) -> list[UUID]:
    """Campaigns that go on and have people on their list."""
    rows = await tx.fetch(
        """SELECT campaign_id FROM mailwizz_campaign
           WHERE tenant_id = $1 AND NOT is_over AND (is_uploaded OR uploaded_to IS NOT NULL)""",
        tenant_id,
    )
    return [row["campaign_id"] for row in rows]


async def mark(tx: Tx, tenant_id: UUID, campaign_id: UUID, now: datetime) -> int:
    """Mark those of a campaign who wait there and may not be written to any more, and skip them; how many.

    Who was skipped elsewhere already is counted there.
    """
    await tx.execute(
        "SELECT 1 FROM mailwizz_campaign WHERE tenant_id = $1 AND campaign_id = $2 FOR UPDATE",
        tenant_id,
        campaign_id,
    )
    number: int = await tx.fetchval(
        f"""WITH gone AS (
             UPDATE mailwizz_subscriber u
             SET leave = CASE WHEN g.reason = 'contact_deleted' THEN 'delete' ELSE 'unsubscribe' END
             FROM (SELECT s.contact_id, coalesce(p.reason, CASE WHEN c.id IS NULL THEN 'contact_deleted'
                                                                WHEN c.status <> 'valid' THEN c.status
                                                                ELSE r.skip_reason END) AS reason
                   FROM mailwizz_campaign m
                   JOIN mailwizz_subscriber s ON s.tenant_id = $1 AND s.campaign_id = $2
                   JOIN campaign_recipient r
                     ON r.tenant_id = $1 AND r.campaign_id = $2 AND r.contact_id = s.contact_id
                   LEFT JOIN contact c ON c.tenant_id = $1 AND c.id = s.contact_id
                   LEFT JOIN (SELECT DISTINCT ON (address_lower) address_lower, reason FROM suppression
                              WHERE tenant_id = $1 AND channel = 'email'
                                AND (expires_at IS NULL OR expires_at > $3)
                              ORDER BY address_lower, scope) p ON p.address_lower = s.address
                   WHERE m.tenant_id = $1 AND m.campaign_id = $2 AND {_IS_ON}
                     AND s.leave IS NULL AND r.state IN ('queued', 'skipped')) g
             WHERE u.tenant_id = $1 AND u.campaign_id = $2 AND u.contact_id = g.contact_id
               AND g.reason IS NOT NULL
             RETURNING u.contact_id, g.reason),
           skipped AS (
             UPDATE campaign_recipient r
             SET state = 'skipped', skip_reason = gone.reason, next_attempt_at = NULL, updated_at = $3
             FROM gone WHERE r.tenant_id = $1 AND r.campaign_id = $2 AND r.contact_id = gone.contact_id
               AND r.state = 'queued' RETURNING 1),
           counted AS (
             INSERT INTO campaign_stats AS t (tenant_id, campaign_id, day, skipped)
             SELECT $1, $2, ($3::timestamptz AT TIME ZONE 'UTC')::date, count(*) FROM skipped
             HAVING count(*) > 0
             ON CONFLICT (tenant_id, campaign_id, day) DO UPDATE SET skipped = t.skipped + excluded.skipped)
           SELECT count(*) FROM gone""",
        tenant_id,
        campaign_id,
        now,
    )
    return number


async def leaving(tx: Tx, tenant_id: UUID, campaign_id: UUID | None) -> list[Leaving]:
    """Who has yet to leave the list of one campaign, or (None) of any; those that failed come last."""
    rows = await tx.fetch(
        f"""SELECT s.campaign_id, s.contact_id, m.provider, m.list_uid, s.address, s.leave
            FROM mailwizz_subscriber s
            JOIN mailwizz_campaign m ON m.tenant_id = s.tenant_id AND m.campaign_id = s.campaign_id
            WHERE s.tenant_id = $1 AND ($2::uuid IS NULL OR s.campaign_id = $2) AND {_LEAVING} AND {_IS_ON}
              AND {_MATTERS} AND m.list_uid IS NOT NULL
            ORDER BY s.error IS NOT NULL, s.campaign_id, s.contact_id""",
        tenant_id,
        campaign_id,
    )
    return [Leaving(**dict(row)) for row in rows]


async def set_left(tx: Tx, tenant_id: UUID, one: Leaving, now: datetime) -> None:
    """They are off the list. Of who was to be deleted there nothing is kept here either."""
    await tx.execute(
        """DELETE FROM mailwizz_subscriber
           WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = $3 AND leave = 'delete'
             AND $4 = 'delete'""",
        tenant_id,
        one.campaign_id,
        one.contact_id,
        one.leave,
    )
    # Who was erased meanwhile still has to be deleted.
    await tx.execute(
        """UPDATE mailwizz_subscriber SET left_at = $4, error = NULL
           WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = $3 AND leave = 'unsubscribe'""",
        tenant_id,
        one.campaign_id,
        one.contact_id,
        now,
    )


async def set_error(tx: Tx, tenant_id: UUID, one: Leaving, error: str) -> None:
    await tx.execute(
        """UPDATE mailwizz_subscriber SET error = $4
           WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = $3""",
        tenant_id,
        one.campaign_id,
        one.contact_id,
        error[:300],
    )


async def say(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> None:
    """Write on a campaign being sent how many MailWizz did not let go, and why; or that there are none."""
    await tx.execute(
        f"""WITH left_over AS (
             SELECT 'on the list of MailWizz are still ' || count(*) || ' who must not be written to: '
                    || min(s.error) AS reason
             FROM mailwizz_subscriber s
             WHERE s.tenant_id = $1 AND s.campaign_id = $2 AND {_LEAVING} AND s.error IS NOT NULL
             HAVING count(*) > 0)
           UPDATE campaign SET status_reason = (SELECT reason FROM left_over)
           WHERE tenant_id = $1 AND id = $2 AND status = 'sending'
             AND (status_reason IS NULL OR status_reason LIKE 'on the list of MailWizz %')
             AND status_reason IS DISTINCT FROM (SELECT reason FROM left_over)""",
        tenant_id,
        campaign_id,
    )
