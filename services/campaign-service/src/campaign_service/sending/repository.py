"""SQL of the sender. Each statement moves a whole batch; the write of an outcome is fenced by its lease.

A campaign frozen a second ago has no statistics, and the planner takes it for one row. So each statement is
written to leave it one way only: rows by the primary key (`= ANY`), no join that could read the whole
campaign, no condition on `state` from which a partial index would follow.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from campaign_service.rendering import Recipient
from shared.database import Tx

from .model import CampaignKey, Claimed, Result

_FRESH = "next_attempt_at IS NULL AND ($6::uuid IS NULL OR contact_id > $6::uuid)"
_COUNTED = ("sent", "bounced_hard", "bounced_soft", "failed", "ambiguous", "deferred")
_FIGURES = {name: name for name in _COUNTED} | {"accepted": "sent"}
_DUE = "next_attempt_at <= $4 AND $6::uuid IS NULL"


async def sending_campaigns(tx: Tx) -> list[CampaignKey]:
    """Campaigns of all tenants that we are sending, the longest running first."""
    rows = await tx.fetch(
        """SELECT c.tenant_id, c.id FROM campaign c
           WHERE c.status = 'sending' AND c.channel = 'email'
             AND NOT EXISTS (SELECT 1 FROM mailwizz_campaign m
                             WHERE m.tenant_id = c.tenant_id AND m.campaign_id = c.id)
           ORDER BY c.started_at"""
    )
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
    return await _claim(tx, _FRESH, key, token, lease, now, limit, after)


async def claim_due(
    tx: Tx, key: CampaignKey, token: UUID, lease: float, now: datetime, limit: int
) -> list[Claimed]:
    """Lease recipients whose next attempt is due, the longest waiting first."""
    rows, _ = await _claim(tx, _DUE, key, token, lease, now, limit, None)
    return rows


async def _claim(
    tx: Tx,
    condition: str,
    key: CampaignKey,
    token: UUID,
    lease: float,
    now: datetime,
    limit: int,
    after: UUID | None,
) -> tuple[list[Claimed], UUID | None]:
    # in the order of the claim index, or the planner sorts the whole campaign for each batch
    await tx.execute("SET LOCAL enable_sort = off")
    rows = await tx.fetch(
        f"""WITH picked AS (
              SELECT contact_id FROM campaign_recipient
              WHERE tenant_id = $1 AND campaign_id = $2 AND state IN ('queued', 'failed_retry')
                AND {condition}
                AND EXISTS (SELECT 1 FROM campaign c
                            WHERE c.tenant_id = $1 AND c.id = $2 AND c.status = 'sending')
              ORDER BY next_attempt_at NULLS FIRST, contact_id LIMIT $5 FOR UPDATE SKIP LOCKED),
            claimed AS (
              UPDATE campaign_recipient
              SET state = 'leased', next_attempt_at = NULL, lease_token = $3,
                  lease_until = now() + make_interval(secs => $7)
              WHERE tenant_id = $1 AND campaign_id = $2
                AND contact_id = ANY(ARRAY(SELECT contact_id FROM picked))
              RETURNING contact_id, variant, code, email, language, attempts, possible_repeats)
            SELECT r.*, c.first_name, c.last_name, c.country, c.category, c.custom_fields,
                   coalesce(s.reason, CASE WHEN c.id IS NULL THEN 'contact_deleted'
                                           WHEN c.status <> 'valid' THEN c.status END) AS skip_reason
            FROM claimed r
            LEFT JOIN LATERAL (
              SELECT * FROM contact WHERE tenant_id = $1 AND id = r.contact_id LIMIT 1) c ON true
            LEFT JOIN LATERAL (
              SELECT reason FROM suppression
              WHERE tenant_id = $1 AND channel = 'email' AND address_lower = c.email_lower
                AND (expires_at IS NULL OR expires_at > $4)
              ORDER BY scope LIMIT 1) s ON true""",
        key.tenant_id,
        key.campaign_id,
        token,
        now,
        limit,
        after,
        lease,
    )
    skipped = [row for row in rows if row["skip_reason"] is not None]
    if skipped:
        await _skip(tx, key, {row["contact_id"]: row["skip_reason"] for row in skipped}, now)
    leased = [_claimed(row) for row in rows if row["skip_reason"] is None]
    return leased, max((row["contact_id"] for row in rows), default=None)


async def _skip(tx: Tx, key: CampaignKey, reasons: dict[UUID, str], now: datetime) -> None:
    """Recipients just leased who may not get mail any more, and their figure."""
    await tx.execute(
        """WITH gone AS (
             UPDATE campaign_recipient
             SET state = 'skipped', skip_reason = ($4::text[])[array_position($3::uuid[], contact_id)],
                 lease_token = NULL, lease_until = NULL, updated_at = $5
             WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = ANY($3::uuid[]))
           INSERT INTO campaign_stats AS s (tenant_id, campaign_id, day, skipped)
           VALUES ($1, $2, ($5 AT TIME ZONE 'UTC')::date, cardinality($3))
           ON CONFLICT (tenant_id, campaign_id, day) DO UPDATE SET skipped = s.skipped + excluded.skipped""",
        key.tenant_id,
        key.campaign_id,
        list(reasons),
        list(reasons.values()),
        now,
    )


def _claimed(row: Any) -> Claimed:
    recipient = Recipient(
        contact_id=row["contact_id"],
        email=row["email"],
        language=row["language"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        country=row["country"],
        category=row["category"],
        custom=row["custom_fields"],
        variant=row["variant"],
        repeat=row["possible_repeats"],
        code=row["code"],
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
             AND lease_token = $3 AND lease_until > now()
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
             AND lease_token = $3""",
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
    groups: defaultdict[tuple[Any, ...], list[Result]] = defaultdict(list)
    for result in results:
        groups[result.token, result.state, result.code, result.counts_attempt, result.deferred].append(result)
    ours: set[UUID] = set()
    figures: Counter[str] = Counter()
    for group in groups.values():
        written = await _record_alike(tx, key, group, now)
        ours |= written
        figures[_FIGURES.get(group[0].state, "")] += len(written)
        figures["deferred"] += len(written) if group[0].deferred else 0
    if any(figures[name] for name in _COUNTED):
        await _count(tx, key, figures, now)
    return ours


async def _record_alike(tx: Tx, key: CampaignKey, group: Sequence[Result], now: datetime) -> set[UUID]:
    first = group[0]
    rows = await tx.fetch(
        """UPDATE campaign_recipient
           SET state = $5::text, attempts = attempts + $6::int, last_code = coalesce($7::text, last_code),
               lease_token = NULL, lease_until = NULL, updated_at = $8::timestamptz,
               last_detail = coalesce(($9::text[])[array_position($4::uuid[], contact_id)], last_detail),
               next_attempt_at = CASE WHEN $5 = 'failed_retry'
                 THEN ($10::timestamptz[])[array_position($4::uuid[], contact_id)] END,
               accepted_at = CASE WHEN $5 = 'accepted' THEN $8::timestamptz END,
               bounced_at = CASE WHEN $5 LIKE 'bounced%' THEN $8::timestamptz END,
               bounce_class = CASE $5 WHEN 'bounced_hard' THEN 'hard' WHEN 'bounced_soft' THEN 'soft' END
           WHERE tenant_id = $1 AND campaign_id = $2 AND lease_token = $3 AND contact_id = ANY($4)
           RETURNING contact_id""",
        key.tenant_id,
        key.campaign_id,
        first.token,
        [result.contact_id for result in group],
        first.state,
        int(first.counts_attempt),
        first.code,
        now,
        [result.detail for result in group],
        [result.next_attempt_at for result in group],
    )
    return {row["contact_id"] for row in rows}


async def _count(tx: Tx, key: CampaignKey, figures: Counter[str], now: datetime) -> None:
    await tx.execute(
        """INSERT INTO campaign_stats AS s
             (tenant_id, campaign_id, day, sent, bounced_hard, bounced_soft, failed, ambiguous, deferred)
           VALUES ($1, $2, ($3::timestamptz AT TIME ZONE 'UTC')::date, $4, $5, $6, $7, $8, $9)
           ON CONFLICT (tenant_id, campaign_id, day) DO UPDATE SET
             sent = s.sent + excluded.sent, bounced_hard = s.bounced_hard + excluded.bounced_hard,
             bounced_soft = s.bounced_soft + excluded.bounced_soft, failed = s.failed + excluded.failed,
             ambiguous = s.ambiguous + excluded.ambiguous, deferred = s.deferred + excluded.deferred""",
        key.tenant_id,
        key.campaign_id,
        now,
        *(figures[name] for name in _COUNTED),
    )


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
             WHERE r.state IN ('leased', 'attempting') AND r.lease_until < now() AND c.channel = 'email'
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


async def cancel_leftovers(tx: Tx, now: datetime, limit: int = 2000) -> int:
    """Recipients of all tenants that wait in a campaign cancelled of late: a sender held them just then."""
    return await tx.affected(
        """WITH waiting AS (
             SELECT r.tenant_id, r.campaign_id, r.contact_id
             FROM campaign c JOIN campaign_recipient r ON r.tenant_id = c.tenant_id AND r.campaign_id = c.id
             WHERE c.status = 'cancelled' AND c.completed_at > $1::timestamptz - interval '1 hour'
               AND r.state IN ('queued', 'failed_retry')
             LIMIT $2 FOR UPDATE OF r SKIP LOCKED)
           UPDATE campaign_recipient r SET state = 'cancelled', next_attempt_at = NULL, updated_at = $1
           FROM waiting
           WHERE (r.tenant_id, r.campaign_id, r.contact_id)
             = (waiting.tenant_id, waiting.campaign_id, waiting.contact_id)""",
        now,
        limit,
    )


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
