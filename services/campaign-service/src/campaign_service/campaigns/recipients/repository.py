"""SQL of campaign_recipient, as far as people and the API read and change it; the sender has its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx
from shared.utils import uuid7

_COLUMNS = """contact_id, variant, code, email, phone, language, state, attempts, possible_repeats,
  nullif(next_attempt_at, 'infinity') AS next_attempt_at,
  last_code,
  last_detail, skip_reason, bounce_class, accepted_at, delivered_at, bounced_at, first_opened_at,
    first_clicked_at,
  unsubscribed_at, complained_at, updated_at"""

_CANCELLED_AT_ONCE = 5000
_HIGHEST = UUID(int=2**128 - 1)


async def page(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, state: str | None, after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Up to `limit` recipients in the order of their contact ids, those after `after`."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM campaign_recipient
            WHERE tenant_id = $1 AND campaign_id = $2 AND ($3::text IS NULL OR state = $3)
              AND ($4::uuid IS NULL OR contact_id > $4)
            ORDER BY contact_id LIMIT $5""",
        tenant_id,
        campaign_id,
        state,
        after,
        limit,
    )
    return [dict(row) for row in rows]


async def state_counts(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, recent_since: datetime
) -> tuple[dict[str, int], int]:
    """(state to number, how many were accepted since `recent_since`)."""
    rows = await tx.fetch(
        """SELECT state, sum(n)::int AS n,
                  coalesce(sum(accepted) FILTER (WHERE accepted_at > $3), 0)::int AS recent
           FROM recipient_figure WHERE tenant_id = $1 AND campaign_id = $2
           GROUP BY state HAVING sum(n) <> 0""",
        tenant_id,
        campaign_id,
        recent_since,
    )
    return {row["state"]: row["n"] for row in rows}, sum(row["recent"] for row in rows)


async def outcome(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> tuple[int, int, int]:
    """(still open, not sent although meant to be, reached the mail server)."""
    row = await tx.fetchrow(
        """SELECT count(*) FILTER (WHERE state IN ('queued', 'leased', 'attempting', 'failed_retry')) AS open,
                  count(*) FILTER (WHERE state IN ('failed', 'ambiguous')) AS failed,
                  count(*) FILTER (WHERE accepted_at IS NOT NULL) AS sent
           FROM campaign_recipient WHERE tenant_id = $1 AND campaign_id = $2""",
        tenant_id,
        campaign_id,
    )
    return (row["open"], row["failed"], row["sent"]) if row else (0, 0, 0)


async def cancel_waiting(tx: Tx, tenant_id: UUID, campaign_id: UUID, now: datetime) -> int:
    """Those not yet tried (again) will not be; how many. Mails in flight go their way.

    Nobody is waited for and hardly anybody held up: senders work from the first id up, this from the last
    one down, each batch as things are then. What a sender holds is cancelled when it gives it back, or when
    leases are swept.
    """
    await tx.execute("SET LOCAL enable_sort = off")
    cancelled = 0
    last = _HIGHEST
    while True:
        row = await tx.fetchrow(
            """WITH picked AS (
                 SELECT contact_id FROM campaign_recipient
                 WHERE tenant_id = $1 AND campaign_id = $2 AND state IN ('queued', 'failed_retry')
                   AND contact_id < $4
                 ORDER BY contact_id DESC LIMIT $5 FOR UPDATE SKIP LOCKED),
               gone AS (
                 UPDATE campaign_recipient
                 SET state = 'cancelled', next_attempt_at = NULL, updated_at = $3
                 WHERE tenant_id = $1 AND campaign_id = $2
                   AND contact_id = ANY(ARRAY(SELECT contact_id FROM picked)))
               SELECT count(*) AS n, (SELECT contact_id FROM picked ORDER BY contact_id LIMIT 1) AS first
               FROM picked""",
            tenant_id,
            campaign_id,
            now,
            last,
            _CANCELLED_AT_ONCE,
        )
        assert row is not None, "an aggregate has a row"
        number, last = int(row["n"]), row["first"]
        cancelled += number
        if number < _CANCELLED_AT_ONCE:
            return cancelled


async def requeue(tx: Tx, tenant_id: UUID, campaign_id: UUID, states: Sequence[str], now: datetime) -> int:
    """Put recipients in `states` back into the queue and take them out of the figures they were counted in.

    An ambiguous one may have got its mail: the next attempt is marked as a possible repeat.
    """
    number: int = await tx.fetchval(
        """WITH old AS (
             SELECT contact_id, state, accepted_at, bounced_at, bounce_class, updated_at
             FROM campaign_recipient
             WHERE tenant_id = $1 AND campaign_id = $2 AND state = ANY($3::text[])
             FOR UPDATE),
           requeued AS (
             UPDATE campaign_recipient r
             SET state = 'queued', attempts = 0, next_attempt_at = NULL, lease_token = NULL,
               lease_until = NULL,
                 accepted_at = NULL, bounced_at = NULL, bounce_class = NULL, updated_at = $4,
                 possible_repeats = r.possible_repeats + (old.state = 'ambiguous')::int
             FROM old
             WHERE r.tenant_id = $1 AND r.campaign_id = $2 AND r.contact_id = old.contact_id
             RETURNING 1),
           facts AS (
             SELECT (accepted_at AT TIME ZONE 'UTC')::date AS day, 1 AS sent, 0 AS other, 0 AS failed,
               0 AS ambiguous,
                    0 AS repeats
             FROM old WHERE accepted_at IS NOT NULL
             UNION ALL
             SELECT (bounced_at AT TIME ZONE 'UTC')::date, 0, 1, 0, 0, 0 FROM old WHERE bounced_at IS NOT NULL
             UNION ALL
             SELECT (updated_at AT TIME ZONE 'UTC')::date, 0, 0, 1, 0, 0
             FROM old WHERE state = 'failed' AND bounced_at IS NULL
             UNION ALL
             SELECT (updated_at AT TIME ZONE 'UTC')::date, 0, 0, 0, 1, 0 FROM old WHERE state = 'ambiguous'
             UNION ALL
             SELECT ($4 AT TIME ZONE 'UTC')::date, 0, 0, 0, 0, 1 FROM old WHERE state = 'ambiguous'),
           counted AS (
             INSERT INTO campaign_stats AS s
               (tenant_id, campaign_id, day, sent, bounced_other, failed, ambiguous, repeats)
             SELECT $1, $2, day, -sum(sent), -sum(other), -sum(failed), -sum(ambiguous), sum(repeats)
             FROM facts GROUP BY day
             ON CONFLICT (tenant_id, campaign_id, day) DO UPDATE SET
               sent = s.sent + excluded.sent, bounced_other = s.bounced_other + excluded.bounced_other,
               failed = s.failed + excluded.failed, ambiguous = s.ambiguous + excluded.ambiguous,
               repeats = s.repeats + excluded.repeats)
           SELECT count(*) FROM requeued""",
        tenant_id,
        campaign_id,
        list(states),
        now,
    )
    return number


async def skip_suppressed(tx: Tx, tenant_id: UUID, campaign_id: UUID, now: datetime) -> int:
    """Skip those who wait and were suppressed, or lost their eligibility, since the audience was frozen."""
    number: int = await tx.fetchval(
        """WITH gone AS (
             UPDATE campaign_recipient r
             SET state = 'skipped', next_attempt_at = NULL, updated_at = $3,
                 skip_reason = coalesce(
                   (SELECT s.reason FROM suppression s
                    WHERE s.tenant_id = $1 AND s.channel = 'email' AND s.address_lower = c.email_lower
                      AND (s.expires_at IS NULL OR s.expires_at > $3)
                    ORDER BY s.scope LIMIT 1), c.status)
             FROM contact c
             WHERE r.tenant_id = $1 AND r.campaign_id = $2 AND r.state IN ('queued', 'failed_retry')
               AND c.tenant_id = $1 AND c.id = r.contact_id
               AND (c.status <> 'valid' OR EXISTS (
                 SELECT 1 FROM suppression s
                 WHERE s.tenant_id = $1 AND s.channel = 'email' AND s.address_lower = c.email_lower
                   AND (s.expires_at IS NULL OR s.expires_at > $3)))
             RETURNING 1),
           counted AS (
             INSERT INTO campaign_stats AS s (tenant_id, campaign_id, day, skipped)
             SELECT $1, $2, ($3 AT TIME ZONE 'UTC')::date, count(*) FROM gone HAVING count(*) > 0
             ON CONFLICT (tenant_id, campaign_id, day) DO UPDATE SET skipped = s.skipped + excluded.skipped)
           SELECT count(*) FROM gone""",
        tenant_id,
        campaign_id,
        now,
    )
    return number


async def readdress(tx: Tx, tenant_id: UUID, contact_id: UUID, email: str) -> int:
    """Who waits for a mail gets it where they are now; in how many campaigns."""
    return await tx.affected(
        """UPDATE campaign_recipient SET email = $3
           WHERE tenant_id = $1 AND contact_id = $2 AND state IN ('queued', 'failed_retry') AND email <> $3
             AND campaign_id IN (SELECT id FROM campaign
                                 WHERE tenant_id = $1 AND status IN ('sending', 'paused'))""",
        tenant_id,
        contact_id,
        email,
    )


async def skip_contacts(
    tx: Tx, tenant_id: UUID, contact_ids: Sequence[UUID], reason: str, now: datetime
) -> int:
    """Take people out of every running campaign that has not reached them yet; how many places they had.

    An address that bounced says nothing of the phone: for that reason only campaigns by mail lose them.
    """
    number: int = await tx.fetchval(
        """WITH gone AS (
             UPDATE campaign_recipient r
             SET state = 'skipped', skip_reason = $3, next_attempt_at = NULL, updated_at = $4
             WHERE r.tenant_id = $1 AND r.contact_id = ANY($2::uuid[]) AND r.state IN ('queued',
               'failed_retry')
               AND r.campaign_id IN (
                 SELECT id FROM campaign WHERE tenant_id = $1 AND status IN ('sending', 'paused')
                   AND (channel = 'email' OR $3 NOT IN ('hard_bounce', 'soft_bounces', 'invalid')))
             RETURNING campaign_id),
           counted AS (
             INSERT INTO campaign_stats AS s (tenant_id, campaign_id, day, skipped)
             SELECT $1, campaign_id, ($4 AT TIME ZONE 'UTC')::date, count(*) FROM gone GROUP BY campaign_id
             ON CONFLICT (tenant_id, campaign_id, day) DO UPDATE SET skipped = s.skipped + excluded.skipped)
           SELECT count(*) FROM gone""",
        tenant_id,
        list(contact_ids),
        reason,
        now,
    )
    return number


async def link_clicks(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> list[dict[str, Any]]:
    """The campaign's links with their clicks; `unique_clicks` counts people, by human clicks only."""
    rows = await tx.fetch(
        """SELECT l.link_index, l.url, l.clicks_human, l.clicks_scanner, l.clicks_unknown,
                  coalesce(u.people, 0) AS unique_clicks
           FROM campaign_link l
           LEFT JOIN (
             SELECT link_index, count(*) AS people
             FROM (SELECT DISTINCT link_index, contact_id FROM message_event
                   WHERE tenant_id = $1 AND campaign_id = $2 AND type = 'clicked' AND verdict = 'human'
                     AND contact_id IS NOT NULL) clickers
             GROUP BY link_index) u ON u.link_index = l.link_index
           WHERE l.tenant_id = $1 AND l.campaign_id = $2 ORDER BY l.link_index""",
        tenant_id,
        campaign_id,
    )
    return [dict(row) for row in rows]


@dataclass(frozen=True, slots=True)
class TestMail:
    """A rendered mail and its sender."""

    __test__ = False

    template_id: UUID
    language: str
    from_email: str
    from_name: str | None
    reply_to: str | None
    subject: str
    html: str
    text: str


async def queue_test_mails(
    tx: Tx, tenant_id: UUID, addresses: Sequence[str], mail: TestMail, user_id: UUID, now: datetime
) -> list[UUID]:
    """Put the same mail to several addresses into the queue of single messages; their ids."""
    ids = [uuid7() for _ in addresses]
    await tx.execute(
        """INSERT INTO message
             (tenant_id, id, template_id, recipient_email, language, from_email, from_name, reply_to, subject,
              html, text, created_by, created_at, next_attempt_at)
           SELECT $1, u.id, $4, u.address, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13
           FROM unnest($2::uuid[], $3::text[]) AS u (id, address)""",
        tenant_id,
        ids,
        list(addresses),
        mail.template_id,
        mail.language,
        mail.from_email,
        mail.from_name,
        mail.reply_to,
        mail.subject,
        mail.html,
        mail.text,
        user_id,
        now,
    )
    return ids
