"""SQL of SMS accounts, of the queue of texts, and of what is reported about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from campaign_service.sms.outcomes import Meaning
from shared.database import Tx
from shared.utils import uuid7

_ACCOUNT = """tenant_id, account_sid, auth_token, messaging_service_sid, sender_id, status_callback_url,
    default_region, time_zone, quiet_from, quiet_until, rate_per_sender, currency, default_price, prices,
    answers_keywords, help_text, text_back, updated_at"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A text about to be sent, written down before it is; `token` fences what is written about it."""

    tenant_id: UUID
    id: UUID
    token: UUID
    attempts: int
    sender: str
    to: str
    body: str
    campaign_id: UUID | None = None


async def account(tx: Tx, tenant_id: UUID) -> dict[str, Any] | None:
    """With its sealed token."""
    row = await tx.fetchrow(f"SELECT {_ACCOUNT} FROM sms_account WHERE tenant_id = $1", tenant_id)
    return dict(row) if row else None


async def put_account(tx: Tx, tenant_id: UUID, values: Mapping[str, Any]) -> None:
    names = list(values)
    places = ", ".join(f"${n}" for n in range(2, len(names) + 2))
    sets = ", ".join(f"{name} = excluded.{name}" for name in names)
    await tx.execute(
        f"""INSERT INTO sms_account (tenant_id, {", ".join(names)}) VALUES ($1, {places})
            ON CONFLICT (tenant_id) DO UPDATE SET {sets}, updated_at = now()""",
        tenant_id,
        *values.values(),
    )


async def last_sender(tx: Tx, tenant_id: UUID, to: str, senders: Sequence[str]) -> str | None:
    """Which of `senders` this person was last in touch with."""
    found: str | None = await tx.fetchval(
        """SELECT business_phone FROM sms_message
           WHERE tenant_id = $1 AND customer_phone = $2 AND business_phone = ANY($3::text[])
           ORDER BY id DESC LIMIT 1""",
        tenant_id,
        to,
        list(senders),
    )
    return found


async def insert_message(tx: Tx, tenant_id: UUID, values: Mapping[str, Any]) -> bool:
    """False when a text with this provider's id is there already."""
    names = list(values)
    places = ", ".join(f"${n}" for n in range(2, len(names) + 2))
    return bool(
        await tx.affected(
            f"""INSERT INTO sms_message (tenant_id, {", ".join(names)}) VALUES ($1, {places})
                ON CONFLICT (tenant_id, provider_sid) WHERE provider_sid IS NOT NULL DO NOTHING""",
            tenant_id,
            *values.values(),
        )
    )


async def tenants_with_queue(tx: Tx) -> list[UUID]:
    """Tenants with a text that is due, in a random order; in a `system_tx`."""
    rows = await tx.fetch(
        """SELECT tenant_id FROM (SELECT DISTINCT tenant_id FROM sms_message
                                  WHERE status = 'queued' AND next_attempt_at <= now()) t ORDER BY random()"""
    )
    return [row["tenant_id"] for row in rows]


async def sending_campaigns(tx: Tx) -> list[tuple[UUID, UUID]]:
    """(tenant, campaign) of SMS campaigns being sent, in a random order; in a `system_tx`."""
    rows = await tx.fetch(
        "SELECT tenant_id, id FROM campaign WHERE status = 'sending' AND channel = 'sms' ORDER BY random()"
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def claim_queued(tx: Tx, tenant_id: UUID, token: UUID, lease: float) -> Attempt | None:
    """The tenant's next due text, from now on being attempted; marketing comes last."""
    row = await tx.fetchrow(
        """UPDATE sms_message SET status = 'attempting', attempts = attempts + 1, lease_token = $2,
               lease_until = now() + make_interval(secs => $3), updated_at = now()
           WHERE tenant_id = $1 AND id = ANY(ARRAY(
             SELECT id FROM sms_message
             WHERE tenant_id = $1 AND status = 'queued' AND next_attempt_at <= now()
             ORDER BY purpose = 'marketing', next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED))
           RETURNING id, attempts, business_phone, customer_phone, body""",
        tenant_id,
        token,
        lease,
    )
    if row is None:
        return None
    return Attempt(
        tenant_id,
        row["id"],
        token,
        row["attempts"],
        row["business_phone"],
        row["customer_phone"],
        row["body"],
    )


async def fail_queued(tx: Tx, tenant_id: UUID, code: str, detail: str) -> list[dict[str, Any]]:
    """End what waits for an account that is not there any more."""
    rows = await tx.fetch(
        """UPDATE sms_message SET status = 'failed', error_code = $2, error_detail = $3, updated_at = now()
           WHERE tenant_id = $1 AND status = 'queued' AND next_attempt_at <= now() RETURNING *""",
        tenant_id,
        code,
        detail,
    )
    return [dict(row) for row in rows]


async def record(tx: Tx, attempt: Attempt, meaning: Meaning, rank: int) -> dict[str, Any] | None:
    """Write what became of an attempt; the text as it is now, None when it is no longer this worker's."""
    row = await tx.fetchrow(
        """UPDATE sms_message SET status = $4, error_code = $5, error_detail = $6,
               provider_sid = coalesce($7, provider_sid), provider_status = coalesce($8, provider_status),
               business_phone = coalesce($9, business_phone), rank = greatest(rank, $10),
               next_attempt_at = now() + coalesce($11::float8, 0) * interval '1 second',
               sent_at = CASE WHEN $7::text IS NOT NULL THEN now() END,
               delivered_at = CASE WHEN $4 = 'delivered' THEN now() END,
               lease_token = NULL, lease_until = NULL, updated_at = now()
           WHERE tenant_id = $1 AND id = $2 AND lease_token = $3 RETURNING *""",
        attempt.tenant_id,
        attempt.id,
        attempt.token,
        meaning.status,
        meaning.code,
        meaning.detail,
        meaning.sid,
        meaning.provider_status,
        meaning.sender,
        rank,
        meaning.retry,
    )
    return dict(row) if row else None


async def lock_sid(tx: Tx, sid: str) -> None:
    """A report and the answer it is about must not miss each other: both hold this until they commit."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('sms ' || $1, 0))", sid)


async def report(
    tx: Tx, tenant_id: UUID, sid: str, status: str, provider_status: str, rank: int, code: str | None
) -> tuple[dict[str, Any] | None, bool]:
    """Write what the provider says of a text; (the text if it changed, whether there is such a text)."""
    row = await tx.fetchrow(
        """UPDATE sms_message SET status = $3, provider_status = $4, rank = $5,
               error_code = coalesce($6, error_code), updated_at = now(),
               delivered_at = CASE WHEN $3 = 'delivered' THEN coalesce(delivered_at, now())
                              ELSE delivered_at END
           WHERE tenant_id = $1 AND provider_sid = $2 AND rank < $5 AND direction = 'outbound' RETURNING *""",
        tenant_id,
        sid,
        status,
        provider_status,
        rank,
        code,
    )
    if row is not None:
        return dict(row), True
    known = await tx.fetchval(
        "SELECT true FROM sms_message WHERE tenant_id = $1 AND provider_sid = $2", tenant_id, sid
    )
    return None, bool(known)


async def adopt_ambiguous(tx: Tx, tenant_id: UUID, sid: str, to: str, since: datetime) -> bool:
    """A report of an unknown text belongs to the only one to that number of which no answer came."""
    return bool(
        await tx.affected(
            """WITH lost AS (
                 SELECT id FROM sms_message
                 WHERE tenant_id = $1 AND customer_phone = $3 AND status = 'ambiguous'
                   AND provider_sid IS NULL AND created_at > $4)
               UPDATE sms_message SET provider_sid = $2, updated_at = now()
               WHERE tenant_id = $1 AND id = ANY(ARRAY(SELECT id FROM lost))
                 AND (SELECT count(*) FROM lost) = 1""",
            tenant_id,
            sid,
            to,
            since,
        )
    )


async def keep_early(tx: Tx, tenant_id: UUID, sid: str, status: str, code: str | None) -> None:
    await tx.execute(
        """INSERT INTO sms_early_report (tenant_id, id, provider_sid, status, error_code)
           VALUES ($1, $2, $3, $4, $5)""",
        tenant_id,
        uuid7(),
        sid,
        status,
        code,
    )


async def take_early(tx: Tx, tenant_id: UUID, sid: str) -> list[tuple[str, str | None]]:
    """(status, error code) of reports that were waiting for this text."""
    rows = await tx.fetch(
        """DELETE FROM sms_early_report WHERE tenant_id = $1 AND provider_sid = $2
           RETURNING id, status, error_code""",
        tenant_id,
        sid,
    )
    return [(row["status"], row["error_code"]) for row in sorted(rows, key=lambda row: row["id"])]


async def forget_early(tx: Tx, before: datetime) -> int:
    """Reports nobody asked for: of texts that other programs send through the same account."""
    return await tx.affected("DELETE FROM sms_early_report WHERE received_at < $1", before)


async def recent_soft(tx: Tx, tenant_id: UUID, to: str, codes: Sequence[str], window: timedelta) -> int:
    """How many of the texts to a number failed softly since the last that arrived."""
    number: int = await tx.fetchval(
        """SELECT count(*) FROM sms_message m
           WHERE m.tenant_id = $1 AND m.customer_phone = $2 AND m.error_code = ANY($3::text[])
             AND m.status IN ('undelivered', 'failed') AND m.created_at > now() - $4::interval
             AND NOT EXISTS (SELECT 1 FROM sms_message d
                             WHERE d.tenant_id = $1 AND d.customer_phone = $2 AND d.status = 'delivered'
                               AND d.id > m.id)""",
        tenant_id,
        to,
        list(codes),
        window,
    )
    return number


async def set_message_state(
    tx: Tx, tenant_id: UUID, message_id: UUID, state: str, code: str | None, detail: str | None
) -> None:
    """The single message a text was made for."""
    await tx.execute(
        """UPDATE message SET state = $3, last_code = coalesce($4, last_code),
               last_detail = coalesce($5, last_detail), attempts = attempts + ($3 <> 'delivered')::int,
               accepted_at = CASE WHEN $3 = 'accepted' THEN now() ELSE accepted_at END,
               delivered_at = CASE WHEN $3 = 'delivered' THEN now() ELSE delivered_at END, updated_at = now()
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        message_id,
        state,
        code,
        detail,
    )


async def sweep(tx: Tx, limit: int = 200) -> list[dict[str, Any]]:
    """Texts of all tenants whose process ended in flight: they may have gone, so they are not sent again."""
    rows = await tx.fetch(
        """UPDATE sms_message m SET status = 'ambiguous', error_code = 'lease_expired',
               error_detail = 'the sending process ended in flight', lease_token = NULL, lease_until = NULL,
               updated_at = now()
           FROM (SELECT tenant_id, id FROM sms_message WHERE status = 'attempting' AND lease_until < now()
                 ORDER BY lease_until LIMIT $1 FOR UPDATE SKIP LOCKED) gone
           WHERE m.tenant_id = gone.tenant_id AND m.id = gone.id RETURNING m.*""",
        limit,
    )
    return [dict(row) for row in rows]


async def phones_to_read(tx: Tx, tenant_id: UUID, limit: int) -> list[tuple[UUID, str | None, str | None]]:
    """(contact, phone, country) of contacts whose phone has not been read since it changed."""
    rows = await tx.fetch(
        """SELECT id, phone, country FROM contact
           WHERE tenant_id = $1 AND phone IS DISTINCT FROM phone_tried AND email IS NOT NULL
           ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED""",
        tenant_id,
        limit,
    )
    return [(row["id"], row["phone"], row["country"]) for row in rows]


async def forget_phones(tx: Tx, tenant_id: UUID) -> None:
    """Have those phones read again that say no country, nor does their contact: another one is supposed now.

    Who has no address is known by the number, which stays.
    """
    # Of a million contacts this takes longer than a request may otherwise keep the database.
    await tx.execute("SET LOCAL statement_timeout = '10min'")
    await tx.execute(
        """UPDATE contact SET phone_e164 = NULL, phone_tried = NULL
           WHERE tenant_id = $1 AND email IS NOT NULL AND phone_tried IS NOT NULL AND country IS NULL
             AND btrim(phone_tried) !~ '^(\\+|00)'""",
        tenant_id,
    )


async def set_phones(tx: Tx, tenant_id: UUID, rows: Sequence[tuple[UUID, str | None]]) -> None:
    ids, numbers_ = zip(*rows, strict=True)
    await tx.execute(
        """UPDATE contact c SET phone_e164 = g.number, phone_tried = c.phone
           FROM unnest($2::uuid[], $3::text[]) AS g (id, number) WHERE c.tenant_id = $1 AND c.id = g.id""",
        tenant_id,
        list(ids),
        list(numbers_),
    )


async def language_of(tx: Tx, tenant_id: UUID, contact_id: UUID | None) -> str | None:
    """A contact's language."""
    found: str | None = await tx.fetchval(
        "SELECT language FROM contact WHERE tenant_id = $1 AND id = $2", tenant_id, contact_id
    )
    return found


async def contact_of(tx: Tx, tenant_id: UUID, number: str) -> dict[str, Any] | None:
    """The contact with this number, the earliest where several have it."""
    row = await tx.fetchrow(
        """SELECT id, email, phone_e164, language, first_name, last_name, country, custom_fields FROM contact
           WHERE tenant_id = $1 AND phone_e164 = $2 ORDER BY id LIMIT 1""",
        tenant_id,
        number,
    )
    return dict(row) if row else None
