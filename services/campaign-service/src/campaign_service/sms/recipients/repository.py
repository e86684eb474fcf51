"""SQL of the people of a campaign by SMS: chosen, claimed one by one, and moved forward."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from campaign_service.campaigns.audience.repository import (
    ANY_TIME,
    NO_SPLIT,
    VARIANT,
    Languages,
    Places,
    Selection,
    Split,
    tag_conditions,
    waiting,
)
from shared.database import Tx
from shared.utils import uuid7

_MANY_ROWS = 1000
_CONSENTS = "('subscribe', 'subscribed', 'yes', 'true')"
_CONSENT = f"lower(coalesce(c.custom_fields->>'sms_marketing_consent', '')) IN {_CONSENTS}"
_SUPPRESSED = """LEFT JOIN (
    SELECT DISTINCT ON (address_lower) address_lower, reason FROM suppression
    WHERE tenant_id = $1 AND channel = 'sms' AND (expires_at IS NULL OR expires_at > $2)
    ORDER BY address_lower, scope) s ON s.address_lower = c.phone_e164"""
# An address that bounced says nothing of the phone; who asked not to be written to is not texted either.
_STATUSES = "('valid', 'invalid')"
# Each number once, the earliest contact first.
_CHOSEN = f"""SELECT DISTINCT ON (c.phone_e164) c.*, s.reason
    FROM contact c {_SUPPRESSED}
    WHERE c.tenant_id = $1 AND c.status IN {_STATUSES} AND c.phone_e164 IS NOT NULL AND {_CONSENT} {{where}}
    ORDER BY c.phone_e164, c.id"""
_FIGURES = {
    "accepted": "sent",
    "delivered": "delivered",
    "bounced_hard": "bounced_hard",
    "bounced_soft": "bounced_soft",
    "failed": "failed",
    "ambiguous": "ambiguous",
    "failed_retry": "deferred",
}
_FORWARD = {
    "accepted": ["attempting", "ambiguous"],
    "failed_retry": ["attempting"],
    "ambiguous": ["attempting"],
    "delivered": ["attempting", "ambiguous", "accepted"],
    "bounced_hard": ["attempting", "ambiguous", "accepted"],
    "bounced_soft": ["attempting", "ambiguous", "accepted"],
    "failed": ["attempting", "ambiguous", "accepted"],
}
_EVENT_TYPES = {
    "accepted": ("sent", None),
    "delivered": ("delivered", None),
    "bounced_hard": ("bounced", "hard"),
    "bounced_soft": ("bounced", "soft"),
    "failed": ("failed", None),
}


async def counts(tx: Tx, tenant_id: UUID, selection: Selection, now: datetime) -> list[tuple[str, int]]:
    """(why not, or `eligible`, how many) over everyone the tags choose, each once."""
    params: list[Any] = [tenant_id, now]
    rows = await tx.fetch(
        f"""SELECT why, count(*) AS n FROM (
              SELECT CASE WHEN c.status NOT IN {_STATUSES} THEN 'status:' || c.status
                          WHEN c.phone_e164 IS NULL THEN 'no_phone'
                          WHEN NOT ({_CONSENT}) THEN 'no_sms_consent'
                          WHEN row_number() OVER (
                            PARTITION BY c.phone_e164, c.status IN {_STATUSES} AND {_CONSENT}
                            ORDER BY c.id) > 1
                            THEN 'same_phone'
                          WHEN s.reason IS NOT NULL THEN 'suppressed:' || s.reason
                          ELSE 'eligible' END AS why
              FROM contact c {_SUPPRESSED}
              WHERE c.tenant_id = $1 {tag_conditions(selection, params)}) g
            GROUP BY why""",
        *params,
    )
    return [(row["why"], row["n"]) for row in rows]


async def eligible(
    tx: Tx, tenant_id: UUID, selection: Selection, now: datetime, limit: int
) -> AsyncIterator[dict[str, Any]]:
    """People who would get the text now, in the order of their numbers."""
    params: list[Any] = [tenant_id, now]
    where = tag_conditions(selection, params)
    params.append(limit)
    sql = f"SELECT * FROM ({_CHOSEN.format(where=where)}) c WHERE reason IS NULL LIMIT ${len(params)}"
    async for row in tx.cursor(sql, *params, prefetch=1000):
        yield dict(row)


async def freeze(
    tx: Tx,
    tenant_id: UUID,
    campaign_id: UUID,
    selection: Selection,
    languages: Languages,
    now: datetime,
    places: Places = ANY_TIME,
    split: Split = NO_SPLIT,
) -> tuple[int, int]:
    """Write the audience down, once and for all; (to be sent, skipped because suppressed)."""
    params: list[Any] = [
        tenant_id,
        now,
        campaign_id,
        languages.forced,
        list(languages.available),
        languages.default,
        *waiting(places, split),
    ]
    where = tag_conditions(selection, params)
    # A million people take longer than a request may otherwise keep the database.
    await tx.execute("SET LOCAL statement_timeout = '10min'")
    row = await tx.fetchrow(
        f"""WITH frozen AS (
              INSERT INTO campaign_recipient
                (tenant_id, campaign_id, contact_id, email, phone, language, state, skip_reason, updated_at,
                 send_zone, variant, next_attempt_at)
              SELECT c.tenant_id, $3::uuid, c.id, c.email, c.phone_e164,
                     CASE WHEN $4::text IS NOT NULL THEN $4::text
                          WHEN c.language = ANY($5::text[]) THEN c.language
                          WHEN split_part(c.language, '-', 1) = ANY($5::text[]) THEN
                            split_part(c.language, '-', 1)
                          ELSE $6::text END,
                     CASE WHEN c.reason IS NULL THEN 'queued' ELSE 'skipped' END, c.reason, $2::timestamptz,
                     z.zone, v.number,
                     CASE WHEN c.reason IS NOT NULL THEN NULL
                          WHEN $12::boolean OR ($10::int > 0 AND v.number = 0) THEN 'infinity'
                          ELSE z.moment END
              FROM ({_CHOSEN.format(where=where)}) c
              LEFT JOIN unnest($7::text[], $8::text[], $9::timestamptz[]) AS z (said, zone, moment)
                ON z.said = coalesce(c.time_zone, '')
              CROSS JOIN LATERAL (SELECT {VARIANT} AS number) v
              RETURNING state)
            SELECT count(*) FILTER (WHERE state = 'queued') AS queued,
                   count(*) FILTER (WHERE state = 'skipped') AS skipped FROM frozen""",
        *params,
    )
    queued, skipped = (row["queued"], row["skipped"]) if row else (0, 0)
    if queued + skipped >= _MANY_ROWS:
        await tx.execute("SELECT refresh_recipient_statistics()")
    return queued, skipped


async def claim(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, token: UUID, lease: float, now: datetime, limit: int
) -> list[dict[str, Any]]:
    """The next people due, from now on being attempted, with `blocked`: why not to text them."""
    rows = await tx.fetch(
        f"""WITH picked AS (
              SELECT contact_id FROM campaign_recipient
              WHERE tenant_id = $1 AND campaign_id = $2 AND state IN ('queued', 'failed_retry')
                AND (next_attempt_at IS NULL OR next_attempt_at <= $5)
                AND EXISTS (SELECT 1 FROM campaign k
                            WHERE k.tenant_id = $1 AND k.id = $2 AND k.status = 'sending')
              ORDER BY next_attempt_at NULLS FIRST, contact_id LIMIT $6 FOR UPDATE SKIP LOCKED),
            claimed AS (
              UPDATE campaign_recipient
              SET state = 'attempting', attempts = attempts + 1, next_attempt_at = NULL, lease_token = $3,
                  lease_until = now() + make_interval(secs => $4), updated_at = $5
              WHERE tenant_id = $1 AND campaign_id = $2
                AND contact_id = ANY(ARRAY(SELECT contact_id FROM picked))
              RETURNING contact_id, phone, language, attempts, code, variant)
            SELECT r.*, c.email, c.first_name, c.last_name, c.country, c.time_zone, c.custom_fields,
                   coalesce(s.reason, CASE WHEN c.id IS NULL THEN 'contact_deleted'
                                           WHEN c.status NOT IN {_STATUSES} THEN c.status
                                           WHEN NOT ({_CONSENT}) THEN 'no_sms_consent' END) AS blocked
            FROM claimed r
            LEFT JOIN contact c ON c.tenant_id = $1 AND c.id = r.contact_id
            LEFT JOIN LATERAL (
              SELECT reason FROM suppression
              WHERE tenant_id = $1 AND channel = 'sms' AND address_lower = r.phone
                AND (expires_at IS NULL OR expires_at > $5)
              ORDER BY scope LIMIT 1) s ON true""",
        tenant_id,
        campaign_id,
        token,
        lease,
        now,
        limit,
    )
    return [dict(row) for row in rows]


async def release(
    tx: Tx,
    tenant_id: UUID,
    campaign_id: UUID,
    contact_ids: Sequence[UUID],
    token: UUID,
    until: datetime | None,
) -> None:
    """Nothing was sent: back in the queue, until `until` where given."""
    await tx.execute(
        """UPDATE campaign_recipient SET state = 'queued', attempts = attempts - 1, lease_token = NULL,
               lease_until = NULL, next_attempt_at = $5
           WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = ANY($3::uuid[])
             AND lease_token = $4""",
        tenant_id,
        campaign_id,
        list(contact_ids),
        token,
        until,
    )


async def skip(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, contact_id: UUID, token: UUID, reason: str, now: datetime
) -> None:
    await tx.execute(
        """UPDATE campaign_recipient SET state = 'skipped', skip_reason = $5, attempts = attempts - 1,
               lease_token = NULL, lease_until = NULL, updated_at = $6
           WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = $3 AND lease_token = $4""",
        tenant_id,
        campaign_id,
        contact_id,
        token,
        reason,
        now,
    )
    await _count(tx, tenant_id, campaign_id, "skipped", now)


async def move(tx: Tx, tenant_id: UUID, text: dict[str, Any], state: str, now: datetime) -> bool:
    """Bring the recipient of a text to its new state, and count it; False when it is further already."""
    was = await tx.fetchval(
        """SELECT state FROM campaign_recipient
           WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = $3 FOR UPDATE""",
        tenant_id,
        text["campaign_id"],
        text["contact_id"],
    )
    if was not in _FORWARD.get(state, ()):
        return False
    await tx.execute(
        """UPDATE campaign_recipient SET state = $4, lease_token = NULL, lease_until = NULL, updated_at = $5,
               last_code = coalesce($6, last_code), last_detail = coalesce($7, last_detail),
               next_attempt_at = CASE WHEN $4 = 'failed_retry' THEN $8::timestamptz END,
               accepted_at = CASE WHEN $4 IN ('accepted', 'delivered') THEN coalesce(accepted_at, $5)
                             ELSE accepted_at END,
               delivered_at = CASE WHEN $4 = 'delivered' THEN $5::timestamptz END,
               bounced_at = CASE WHEN $4 LIKE 'bounced%' THEN $5::timestamptz END,
               bounce_class = CASE $4 WHEN 'bounced_hard' THEN 'hard' WHEN 'bounced_soft' THEN 'soft' END
           WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = $3""",
        tenant_id,
        text["campaign_id"],
        text["contact_id"],
        state,
        now,
        text["error_code"],
        text["error_detail"],
        text["next_attempt_at"],
    )
    if was != "accepted" and state not in ("accepted", "failed_retry") and text["provider_sid"] is not None:
        # The provider had it after all: its answer was lost, or is still on its way to us.
        await _count(tx, tenant_id, text["campaign_id"], "sent", now)
    await _count(tx, tenant_id, text["campaign_id"], _FIGURES[state], now)
    return True


async def _count(tx: Tx, tenant_id: UUID, campaign_id: UUID, figure: str, now: datetime) -> None:
    assert figure in ("skipped", *_FIGURES.values())
    await tx.execute(
        f"""INSERT INTO campaign_stats AS s (tenant_id, campaign_id, day, {figure})
            VALUES ($1, $2, ($3::timestamptz AT TIME ZONE 'UTC')::date, 1)
            ON CONFLICT (tenant_id, campaign_id, day) DO UPDATE SET {figure} = s.{figure} + 1""",
        tenant_id,
        campaign_id,
        now,
    )


def detail_of(text: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a text on the contact's record."""
    return {"record": "sms", "status": text["error_code"], "segments": text["segments"]}


async def add_event(
    tx: Tx, tenant_id: UUID, text: dict[str, Any], state: str, dedupe: bytes, now: datetime
) -> None:
    """Put what happened on the contact's record."""
    if state not in _EVENT_TYPES:
        return
    kind, bounce_class = _EVENT_TYPES[state]
    detail = detail_of(text)
    await tx.execute(
        """INSERT INTO message_event
             (tenant_id, id, campaign_id, contact_id, type, occurred_at, received_at, bounce_class, detail,
              dedupe_key)
           VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9) ON CONFLICT DO NOTHING""",
        tenant_id,
        uuid7(),
        text["campaign_id"],
        text["contact_id"],
        kind,
        now,
        bounce_class,
        detail,
        dedupe,
    )


async def is_open(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> bool:
    """Whether somebody still waits."""
    return bool(
        await tx.fetchval(
            """SELECT EXISTS (SELECT 1 FROM campaign_recipient WHERE tenant_id = $1 AND campaign_id = $2
                              AND state IN ('queued', 'failed_retry', 'leased', 'attempting'))""",
            tenant_id,
            campaign_id,
        )
    )
