"""SQL of the sender. Each statement moves a whole batch; the write of an outcome is fenced by its lease."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from campaign_service.rendering import Recipient
from shared.database import Tx

from .model import CampaignKey, Claimed, Result

_FRESH = "next_attempt_at IS NULL AND ($6::uuid IS NULL OR contact_id > $6::uuid)"
_DUE = "next_attempt_at <= $4 AND $6::uuid IS NULL"


async def sending_campaigns(tx: Tx) -> list[CampaignKey]:
    """Campaigns of all tenants that are being sent, the longest running first."""
    rows = await tx.fetch("SELECT tenant_id, id FROM campaign WHERE status = 'sending' ORDER BY started_at")
    return [CampaignKey(row["tenant_id"], row["id"]) for row in rows]


async def links(tx: Tx, key: CampaignKey) -> list[str]:
    """The link table of a started campaign, by index."""
    rows = await tx.fetch(
        "SELECT url FROM campaign_link WHERE tenant_id = $1 AND campaign_id = $2 ORDER BY link_index",
        key.tenant_id,
        key.campaign_id,
    )
    return [row["url"] for row in rows]


async def claim_fresh(
    tx: Tx, key: CampaignKey, token: UUID, lease: float, now: datetime, limit: int, after: UUID | None
) -> tuple[list[Claimed], UUID | None]:
    """Lease up to `limit` waiting recipients behind `after`; they and the last id seen (None: none left)."""
    return await _claim(tx, _FRESH, "contact_id", key, token, lease, now, limit, after)


async def claim_due(
    tx: Tx, key: CampaignKey, token: UUID, lease: float, now: datetime, limit: int
) -> list[Claimed]:
    """Lease recipients whose next attempt is due, the longest waiting first."""
    rows, _ = await _claim(tx, _DUE, "next_attempt_at, contact_id", key, token, lease, now, limit, None)
    return rows


async def _claim(
    tx: Tx,
    condition: str,
    order: str,
    key: CampaignKey,
    token: UUID,
    lease: float,
    now: datetime,
    limit: int,
    after: UUID | None,
) -> tuple[list[Claimed], UUID | None]:
    rows = await tx.fetch(
        f"""WITH picked AS (
              SELECT contact_id FROM campaign_recipient
              WHERE tenant_id = $1 AND campaign_id = $2 AND state IN ('queued', 'failed_retry')
                AND {condition}
                AND EXISTS (SELECT 1 FROM campaign c
                            WHERE c.tenant_id = $1 AND c.id = $2 AND c.status = 'sending')
              ORDER BY {order} LIMIT $5 FOR UPDATE SKIP LOCKED),
            known AS (
              SELECT p.contact_id, c.first_name, c.last_name, c.country, c.custom_fields,
                coalesce(s.reason, CASE WHEN c.id IS NULL THEN 'contact_deleted'
                                        WHEN c.status <> 'valid' THEN c.status END) AS skip_reason
              FROM picked p
              LEFT JOIN contact c ON c.tenant_id = $1 AND c.id = p.contact_id
              LEFT JOIN LATERAL (
                SELECT reason FROM suppression
                WHERE tenant_id = $1 AND channel = 'email' AND address_lower = c.email_lower
                  AND (expires_at IS NULL OR expires_at > $4)
                ORDER BY scope LIMIT 1) s ON true),
            claimed AS (
              UPDATE campaign_recipient r
              SET state = CASE WHEN k.skip_reason IS NULL THEN 'leased' ELSE 'skipped' END,
                  skip_reason = k.skip_reason, next_attempt_at = NULL, updated_at = $4,
                  lease_token = CASE WHEN k.skip_reason IS NULL THEN $3::uuid END,
                  lease_until = CASE WHEN k.skip_reason IS NULL THEN now() + make_interval(secs => $7) END
              FROM known k
              WHERE r.tenant_id = $1 AND r.campaign_id = $2 AND r.contact_id = k.contact_id
              RETURNING r.contact_id, r.variant, r.email, r.language, r.attempts, r.possible_repeats,
                        r.skip_reason, k.first_name, k.last_name, k.country, k.custom_fields),
            counted AS (
              INSERT INTO campaign_stats AS s (tenant_id, campaign_id, day, skipped)
              SELECT $1, $2, ($4 AT TIME ZONE 'UTC')::date, count(*) FROM claimed
              WHERE skip_reason IS NOT NULL HAVING count(*) > 0
              ON CONFLICT (tenant_id, campaign_id, day) DO UPDATE SET skipped = s.skipped + excluded.skipped)
            SELECT * FROM claimed ORDER BY contact_id""",
        key.tenant_id,
        key.campaign_id,
        token,
        now,
        limit,
        after,
        lease,
    )
    leased = [_claimed(row) for row in rows if row["skip_reason"] is None]
    return leased, rows[-1]["contact_id"] if rows else None


def _claimed(row: Any) -> Claimed:
    recipient = Recipient(
        contact_id=row["contact_id"],
        email=row["email"],
        language=row["language"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        country=row["country"],
        custom=row["custom_fields"],
        variant=row["variant"],
        repeat=row["possible_repeats"],
    )
    return Claimed(recipient, row["attempts"])


async def mark_attempting(
    tx: Tx, key: CampaignKey, token: UUID, contact_ids: Sequence[UUID], lease: float
) -> set[UUID]:
    """Say, before it is done, that these are about to be sent; those that still may.

    A recipient whose lease ran out, or whose campaign is no longer being sent, is not among them.
    """
    rows = await tx.fetch(
        """UPDATE campaign_recipient
           SET state = 'attempting', lease_until = now() + make_interval(secs => $5)
           WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = ANY($4::uuid[])
             AND state = 'leased' AND lease_token = $3 AND lease_until > now()
             AND EXISTS (SELECT 1 FROM campaign c
                         WHERE c.tenant_id = $1 AND c.id = $2 AND c.status = 'sending')
           RETURNING contact_id""",
        key.tenant_id,
        key.campaign_id,
        token,
        list(contact_ids),
        lease,
    )
    return {row["contact_id"] for row in rows}


async def renew(tx: Tx, key: CampaignKey, token: UUID, contact_ids: Sequence[UUID], lease: float) -> int:
    """Keep recipients in flight; how many were still ours."""
    return await tx.affected(
        """UPDATE campaign_recipient SET lease_until = now() + make_interval(secs => $5)
           WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = ANY($4::uuid[])
             AND state = 'attempting' AND lease_token = $3""",
        key.tenant_id,
        key.campaign_id,
        token,
        list(contact_ids),
        lease,
    )


async def release(tx: Tx, key: CampaignKey, token: UUID, contact_ids: Sequence[UUID]) -> int:
    """Give back what was leased and not begun; in a cancelled campaign it becomes cancelled."""
    return await tx.affected(
        """UPDATE campaign_recipient r
           SET state = CASE WHEN c.status = 'cancelled' THEN 'cancelled' ELSE 'queued' END,
               lease_token = NULL, lease_until = NULL
           FROM campaign c
           WHERE r.tenant_id = $1 AND r.campaign_id = $2 AND r.contact_id = ANY($4::uuid[])
             AND r.state = 'leased' AND r.lease_token = $3 AND c.tenant_id = $1 AND c.id = $2""",
        key.tenant_id,
        key.campaign_id,
        token,
        list(contact_ids),
    )


async def record(tx: Tx, key: CampaignKey, results: Sequence[Result], now: datetime) -> set[UUID]:
    """Write outcomes and their figures; the contacts whose lease was still ours.

    The rest was heard of elsewhere meanwhile (a delivery report, an expired lease): that record stands.
    """
    rows = await tx.fetch(
        """WITH done AS (
             UPDATE campaign_recipient r
             SET state = u.state, lease_token = NULL, lease_until = NULL, attempts = r.attempts + u.counted,
                 next_attempt_at = u.next_attempt_at, last_code = u.code, last_detail = u.detail,
                 updated_at = $3,
                 accepted_at = CASE WHEN u.state = 'accepted' THEN $3::timestamptz END,
                 bounced_at = CASE WHEN u.state LIKE 'bounced%' THEN $3::timestamptz END,
                 bounce_class = CASE u.state WHEN 'bounced_hard' THEN 'hard'
                                             WHEN 'bounced_soft' THEN 'soft' END
             FROM unnest($4::uuid[], $5::uuid[], $6::text[], $7::smallint[], $8::text[], $9::text[],
                         $10::timestamptz[], $11::boolean[])
               AS u (contact_id, token, state, counted, code, detail, next_attempt_at, deferred)
             WHERE r.tenant_id = $1 AND r.campaign_id = $2 AND r.contact_id = u.contact_id
               AND r.lease_token = u.token AND r.state = 'attempting'
             RETURNING r.contact_id, r.state, u.deferred),
           counted AS (
             INSERT INTO campaign_stats AS s
               (tenant_id, campaign_id, day, sent, bounced_hard, bounced_soft, failed, ambiguous, deferred)
             SELECT $1, $2, ($3 AT TIME ZONE 'UTC')::date,
               count(*) FILTER (WHERE state = 'accepted'), count(*) FILTER (WHERE state = 'bounced_hard'),
               count(*) FILTER (WHERE state = 'bounced_soft'), count(*) FILTER (WHERE state = 'failed'),
               count(*) FILTER (WHERE state = 'ambiguous'), count(*) FILTER (WHERE deferred)
             FROM done HAVING count(*) > 0
             ON CONFLICT (tenant_id, campaign_id, day) DO UPDATE SET
               sent = s.sent + excluded.sent, bounced_hard = s.bounced_hard + excluded.bounced_hard,
               bounced_soft = s.bounced_soft + excluded.bounced_soft, failed = s.failed + excluded.failed,
               ambiguous = s.ambiguous + excluded.ambiguous, deferred = s.deferred + excluded.deferred)
           SELECT contact_id FROM done""",
        key.tenant_id,
        key.campaign_id,
        now,
        [r.contact_id for r in results],
        [r.token for r in results],
        [r.state for r in results],
        [int(r.counts_attempt) for r in results],
        [r.code for r in results],
        [r.detail for r in results],
        [r.next_attempt_at for r in results],
        [r.deferred for r in results],
    )
    return {row["contact_id"] for row in rows}


async def add_events(
    tx: Tx,
    key: CampaignKey,
    events: Sequence[tuple[UUID, UUID, str, str | None, dict[str, Any], bytes]],
    now: datetime,
) -> None:
    """Put refusals on record: (id, contact_id, type, bounce_class, detail, dedupe_key) each."""
    await tx.execute(
        """INSERT INTO message_event
             (tenant_id, id, campaign_id, contact_id, type, occurred_at, received_at, bounce_class, detail,
              dedupe_key)
           SELECT $1, u.id, $2, u.contact_id, u.type, $3, $3, u.bounce_class, u.detail, u.key
           FROM unnest($4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::jsonb[], $9::bytea[])
             AS u (id, contact_id, type, bounce_class, detail, key)
           ON CONFLICT DO NOTHING""",
        key.tenant_id,
        key.campaign_id,
        now,
        *(list(column) for column in zip(*events, strict=True)),
    )


async def sweep(tx: Tx, max_attempts: int, now: datetime, limit: int = 2000) -> int:
    """Take back leases of all tenants that ran out: their process died, hangs or lost the database.

    What was only leased waits again. What was in flight may have arrived: it is sent again, marked and
    counted as a possible repeat, unless its campaign was cancelled or its attempts are used up (`ambiguous`).
    """
    number: int = await tx.fetchval(
        """WITH expired AS (
             SELECT r.tenant_id, r.campaign_id, r.contact_id, r.state AS was, c.status,
                    r.attempts + 1 >= $1 AS is_last
             FROM campaign_recipient r JOIN campaign c ON c.tenant_id = r.tenant_id AND c.id = r.campaign_id
             WHERE r.state IN ('leased', 'attempting') AND r.lease_until < now()
             ORDER BY r.lease_until LIMIT $3 FOR UPDATE OF r SKIP LOCKED),
           freed AS (
             UPDATE campaign_recipient r
             SET state = CASE WHEN e.was = 'leased' AND e.status = 'cancelled' THEN 'cancelled'
                              WHEN e.was = 'leased' THEN 'queued'
                              WHEN e.status = 'cancelled' OR e.is_last THEN 'ambiguous'
                              ELSE 'queued' END,
                 attempts = r.attempts + (e.was = 'attempting')::int,
                 possible_repeats = r.possible_repeats
                   + (e.was = 'attempting' AND e.status <> 'cancelled' AND NOT e.is_last)::int,
                 last_code = CASE WHEN e.was = 'attempting' THEN 'lease_expired' ELSE r.last_code END,
                 last_detail = CASE WHEN e.was = 'attempting' THEN 'the sending process ended in flight'
                               ELSE r.last_detail END,
                 lease_token = NULL, lease_until = NULL, updated_at = $2
             FROM expired e
             WHERE r.tenant_id = e.tenant_id AND r.campaign_id = e.campaign_id AND r.contact_id = e.contact_id
             RETURNING r.tenant_id, r.campaign_id, r.state, e.was),
           counted AS (
             INSERT INTO campaign_stats AS s (tenant_id, campaign_id, day, repeats, ambiguous)
             SELECT tenant_id, campaign_id, ($2 AT TIME ZONE 'UTC')::date,
                    count(*) FILTER (WHERE state = 'queued'), count(*) FILTER (WHERE state = 'ambiguous')
             FROM freed WHERE was = 'attempting' GROUP BY tenant_id, campaign_id
             ON CONFLICT (tenant_id, campaign_id, day) DO UPDATE SET
               repeats = s.repeats + excluded.repeats, ambiguous = s.ambiguous + excluded.ambiguous)
           SELECT count(*) FROM freed""",
        max_attempts,
        now,
        limit,
    )
    return number


async def is_open(tx: Tx, key: CampaignKey) -> bool:
    """Whether anybody of the campaign still waits or is in flight."""
    waiting: bool = await tx.fetchval(
        """SELECT EXISTS (SELECT 1 FROM campaign_recipient
                          WHERE tenant_id = $1 AND campaign_id = $2 AND state IN ('queued', 'failed_retry'))
               OR EXISTS (SELECT 1 FROM campaign_recipient
                          WHERE tenant_id = $1 AND campaign_id = $2 AND state IN ('leased', 'attempting'))""",
        key.tenant_id,
        key.campaign_id,
    )
    return waiting
