"""SQL of single messages: their record and their queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared.database import Tx

_WAITING = "('queued', 'failed_retry', 'attempting')"
_COLUMNS = f"""id, channel, purpose, coalesce(recipient_email, recipient_phone) AS "to",
    recipient_name AS to_name,
    template_name AS template, language, from_email, from_name, reply_to, subject, state, skip_reason,
    attempts, possible_repeats, last_code, last_detail, created_at, accepted_at, delivered_at, bounced_at,
    complained_at,
    CASE WHEN state IN {_WAITING} THEN next_attempt_at END AS next_attempt_at"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message this worker has claimed; `token` fences what it writes about it."""

    tenant_id: UUID
    id: UUID
    token: UUID
    attempts: int
    possible_repeats: int
    row: Mapping[str, Any]


async def insert(tx: Tx, tenant_id: UUID, values: Mapping[str, Any]) -> bool:
    """False when the tenant has a message with this idempotency key."""
    names = list(values)
    return bool(
        await tx.affected(
            f"""INSERT INTO message (tenant_id, {", ".join(names)})
                VALUES ($1, {", ".join(f"${n}" for n in range(2, len(names) + 2))})
                ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING""",
            tenant_id,
            *values.values(),
        )
    )


async def get(tx: Tx, tenant_id: UUID, message_id: UUID) -> dict[str, Any] | None:
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS}, html, text FROM message WHERE tenant_id = $1 AND id = $2", tenant_id, message_id
    )
    return dict(row) if row else None


async def page(
    tx: Tx, tenant_id: UUID, state: str | None, to: str | None, after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Latest first; `to` is a whole address."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM message
            WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2) AND ($3::text IS NULL OR state = $3)
              AND ($4::text IS NULL OR lower(recipient_email) = lower($4) OR recipient_phone = $4)
            ORDER BY id DESC LIMIT $5""",
        tenant_id,
        after,
        state,
        to,
        limit,
    )
    return [dict(row) for row in rows]


async def claim(tx: Tx, token: UUID, lease_seconds: float) -> Waiting | None:
    """The next mail to send, over all tenants in turn; in a `system_tx`. Texts have their own queue.

    A claim that was never answered (its worker died) is claimable again once its lease is over: the mail
    may have gone out, which is counted in `possible_repeats`.
    """
    row = await tx.fetchrow(
        f"""WITH turn AS (
                SELECT tenant_id FROM (SELECT DISTINCT tenant_id FROM message
                                       WHERE state IN {_WAITING} AND channel = 'email'
                                         AND next_attempt_at <= now()) d
                ORDER BY random()
            ), due AS (
                SELECT next.tenant_id, next.id FROM turn t CROSS JOIN LATERAL (
                    SELECT m.tenant_id, m.id FROM message m
                    WHERE m.tenant_id = t.tenant_id AND m.state IN {_WAITING} AND m.channel = 'email'
                      AND m.next_attempt_at <= now()
                    ORDER BY m.next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED) next
                LIMIT 1)
            UPDATE message m SET attempts = m.attempts + 1, lease_token = $1, updated_at = now(),
                possible_repeats = m.possible_repeats + (m.state = 'attempting')::int,
                state = 'attempting', lease_until = now() + $2 * interval '1 second',
                next_attempt_at = now() + $2 * interval '1 second'
            FROM due WHERE m.tenant_id = due.tenant_id AND m.id = due.id RETURNING m.*""",
        token,
        lease_seconds,
    )
    if row is None:
        return None
    return Waiting(row["tenant_id"], row["id"], token, row["attempts"], row["possible_repeats"], dict(row))


async def record(
    tx: Tx,
    message: Waiting,
    state: str,
    code: str | None,
    detail: str | None,
    retry_seconds: float | None = None,
) -> bool:
    """Write what became of an attempt; False when the claim is no longer this worker's."""
    return bool(
        await tx.affected(
            """UPDATE message SET state = $4, last_code = $5, last_detail = $6, lease_token = NULL,
                   lease_until = NULL, updated_at = now(),
                   next_attempt_at = now() + coalesce($7::float8, 0) * interval '1 second',
                   accepted_at = CASE WHEN $4 = 'accepted' THEN now() ELSE accepted_at END
               WHERE tenant_id = $1 AND id = $2 AND lease_token = $3""",
            message.tenant_id,
            message.id,
            message.token,
            state,
            code,
            detail,
            retry_seconds,
        )
    )


async def skip(tx: Tx, tenant_id: UUID, message_id: UUID, reason: str) -> None:
    """It is not sent, and why."""
    await tx.execute(
        """UPDATE message SET state = 'skipped', skip_reason = $3, updated_at = now()
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        message_id,
        reason,
    )
