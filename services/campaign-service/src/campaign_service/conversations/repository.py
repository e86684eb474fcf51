"""SQL of conversations, their texts and calls, and leads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx
from shared.utils import uuid7

_CONVERSATION = """c.id, c.tenant_id, c.customer_phone, c.business_phone, c.contact_id, c.status,
    c.last_message_at, c.created_at, c.updated_at,
    (SELECT l.id FROM lead l WHERE l.tenant_id = c.tenant_id AND l.conversation_id = c.id
     ORDER BY l.id DESC LIMIT 1) AS lead_id"""
_TEXT = """id, tenant_id, conversation_id, direction, body, segments, price, currency, status AS state,
    error_code, error_detail, purpose, sent_at, delivered_at, created_at, updated_at"""
_LEAD = """id, tenant_id, customer_phone, customer_name, problem_description, status, source,
    conversation_id, estimated_value, created_at, updated_at"""
_ADOPTED_TEXTS = 20


async def open_(tx: Tx, tenant_id: UUID, customer: str, business: str) -> dict[str, Any]:
    """The conversation of two numbers, begun if need be with the texts it answers; locked."""
    row = await tx.fetchrow(
        """INSERT INTO conversation AS c (tenant_id, id, customer_phone, business_phone, contact_id)
           VALUES ($1, $2, $3, $4, (SELECT id FROM contact WHERE tenant_id = $1 AND phone_e164 = $3
                                    ORDER BY id LIMIT 1))
           ON CONFLICT (tenant_id, customer_phone, business_phone) DO UPDATE
           SET contact_id = coalesce(c.contact_id, excluded.contact_id), updated_at = now()
           RETURNING *, (xmax = 0) AS is_new""",
        tenant_id,
        uuid7(),
        customer,
        business,
    )
    assert row is not None
    if row["is_new"]:
        await tx.execute(
            """UPDATE sms_message SET conversation_id = $2 WHERE tenant_id = $1 AND id = ANY(ARRAY(
                 SELECT id FROM sms_message
                 WHERE tenant_id = $1 AND customer_phone = $3 AND conversation_id IS NULL
                   AND (business_phone = $4 OR business_phone LIKE 'MG%')
                 ORDER BY id DESC LIMIT $5))""",
            tenant_id,
            row["id"],
            customer,
            business,
            _ADOPTED_TEXTS,
        )
    return dict(row)


async def find(tx: Tx, tenant_id: UUID, customer: str, business: str) -> UUID | None:
    """The conversation of two numbers, if they have one."""
    found: UUID | None = await tx.fetchval(
        """SELECT id FROM conversation
           WHERE tenant_id = $1 AND customer_phone = $2 AND business_phone = $3""",
        tenant_id,
        customer,
        business,
    )
    return found


async def set_status(tx: Tx, tenant_id: UUID, conversation_id: UUID, status: str) -> None:
    """Nothing was said; somebody decided. Who opted out meanwhile stays so."""
    await tx.execute(
        """UPDATE conversation SET status = $3, updated_at = now()
           WHERE tenant_id = $1 AND id = $2 AND status <> 'opted_out'""",
        tenant_id,
        conversation_id,
        status,
    )


async def touch(tx: Tx, tenant_id: UUID, conversation_id: UUID, status: str) -> None:
    """Something was said; `status` is what the conversation is now."""
    await tx.execute(
        """UPDATE conversation SET status = $3, last_message_at = clock_timestamp(), updated_at = now()
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        conversation_id,
        status,
    )


async def get(tx: Tx, tenant_id: UUID, conversation_id: UUID) -> dict[str, Any] | None:
    row = await tx.fetchrow(
        f"SELECT {_CONVERSATION} FROM conversation c WHERE c.tenant_id = $1 AND c.id = $2",
        tenant_id,
        conversation_id,
    )
    return dict(row) if row else None


async def page(
    tx: Tx, tenant_id: UUID, filters: dict[str, str | None], after: Sequence[Any] | None, limit: int
) -> list[dict[str, Any]]:
    """Where something was said last comes first; `filters`: status, phone (of the customer)."""
    at, last = after or (None, None)
    rows = await tx.fetch(
        f"""SELECT {_CONVERSATION} FROM conversation c
            WHERE c.tenant_id = $1 AND ($2::text IS NULL OR c.status = $2)
              AND ($3::text IS NULL OR c.customer_phone = $3)
              AND ($4::timestamptz IS NULL OR (c.last_message_at, c.id) < ($4, $5::uuid))
            ORDER BY c.last_message_at DESC, c.id DESC LIMIT $6""",
        tenant_id,
        filters.get("status"),
        filters.get("phone"),
        at,
        last,
        limit,
    )
    return [dict(row) for row in rows]


async def texts(
    tx: Tx, tenant_id: UUID, conversation_id: UUID, after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Latest first."""
    rows = await tx.fetch(
        f"""SELECT {_TEXT} FROM sms_message
            WHERE tenant_id = $1 AND conversation_id = $2 AND ($3::uuid IS NULL OR id < $3)
            ORDER BY id DESC LIMIT $4""",
        tenant_id,
        conversation_id,
        after,
        limit,
    )
    return [dict(row) for row in rows]


async def text(tx: Tx, tenant_id: UUID, text_id: UUID) -> dict[str, Any]:
    row = await tx.fetchrow(
        f"SELECT {_TEXT} FROM sms_message WHERE tenant_id = $1 AND id = $2", tenant_id, text_id
    )
    assert row is not None, "it was written in this transaction"
    return dict(row)


async def has_recent_automatic(tx: Tx, tenant_id: UUID, conversation_id: UUID, since: datetime) -> bool:
    """Whether a text was sent by itself, as an answer, of late."""
    return bool(
        await tx.fetchval(
            """SELECT EXISTS (SELECT 1 FROM sms_message
                              WHERE tenant_id = $1 AND conversation_id = $2 AND purpose = 'automatic'
                                AND created_at > $3)""",
            tenant_id,
            conversation_id,
            since,
        )
    )


async def calls(tx: Tx, tenant_id: UUID, conversation_id: UUID, limit: int = 100) -> list[dict[str, Any]]:
    """Latest first."""
    rows = await tx.fetch(
        """SELECT id, tenant_id, customer_phone, business_phone, direction, status, started_at, ended_at,
                  duration, conversation_id, created_at, updated_at
           FROM call WHERE tenant_id = $1 AND conversation_id = $2 ORDER BY started_at DESC LIMIT $3""",
        tenant_id,
        conversation_id,
        limit,
    )
    return [dict(row) for row in rows]


async def put_call(tx: Tx, tenant_id: UUID, call: dict[str, Any], conversation_id: UUID | None) -> bool:
    """Write where a call stands; True when it has become missed with this. What ended does not ring again."""
    row = await tx.fetchrow(
        """WITH before AS (SELECT status FROM call WHERE tenant_id = $1 AND provider_sid = $3 FOR UPDATE)
           INSERT INTO call AS c (tenant_id, id, provider_sid, customer_phone, business_phone, status,
                                  duration, started_at, ended_at, conversation_id)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8,
                   CASE WHEN $6 IN ('missed', 'completed', 'failed') THEN $8::timestamptz END, $9)
           ON CONFLICT (tenant_id, provider_sid) DO UPDATE SET
             status = excluded.status, duration = greatest(c.duration, excluded.duration),
             ended_at = coalesce(excluded.ended_at, c.ended_at),
             conversation_id = coalesce(excluded.conversation_id, c.conversation_id), updated_at = now()
           WHERE c.status IN ('ringing', 'answered')
           RETURNING c.status, (SELECT status FROM before) AS was""",
        tenant_id,
        uuid7(),
        call["provider_sid"],
        call["customer_phone"],
        call["business_phone"],
        call["status"],
        call["duration"],
        call["at"],
        conversation_id,
    )
    return row is not None and row["status"] == "missed" and row["was"] != "missed"


async def open_lead(tx: Tx, tenant_id: UUID, conversation_id: UUID, customer: str, source: str) -> None:
    """A lead under way for this conversation; the one there is stays as it is."""
    await tx.execute(
        """INSERT INTO lead (tenant_id, id, customer_phone, customer_name, source, conversation_id)
           VALUES ($1, $2, $3,
                   (SELECT nullif(concat_ws(' ', first_name, last_name), '') FROM contact
                    WHERE tenant_id = $1 AND phone_e164 = $3 ORDER BY id LIMIT 1), $4, $5)
           ON CONFLICT (tenant_id, conversation_id) WHERE status NOT IN ('won', 'lost') DO NOTHING""",
        tenant_id,
        uuid7(),
        customer,
        source,
        conversation_id,
    )


async def describe_lead(tx: Tx, tenant_id: UUID, conversation_id: UUID, description: str) -> None:
    """What somebody answers first, after their call was missed, is what they called about."""
    await tx.execute(
        """UPDATE lead SET problem_description = $3, updated_at = now()
           WHERE tenant_id = $1 AND conversation_id = $2 AND status NOT IN ('won', 'lost')
             AND problem_description IS NULL""",
        tenant_id,
        conversation_id,
        description,
    )


async def leads(
    tx: Tx, tenant_id: UUID, status: str | None, after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Latest first."""
    rows = await tx.fetch(
        f"""SELECT {_LEAD} FROM lead
            WHERE tenant_id = $1 AND ($2::text IS NULL OR status = $2) AND ($3::uuid IS NULL OR id < $3)
            ORDER BY id DESC LIMIT $4""",
        tenant_id,
        status,
        after,
        limit,
    )
    return [dict(row) for row in rows]


async def lead(tx: Tx, tenant_id: UUID, lead_id: UUID) -> dict[str, Any] | None:
    row = await tx.fetchrow(f"SELECT {_LEAD} FROM lead WHERE tenant_id = $1 AND id = $2", tenant_id, lead_id)
    return dict(row) if row else None


async def update_lead(tx: Tx, tenant_id: UUID, lead_id: UUID, changes: dict[str, Any]) -> bool:
    """Set the given columns; False when there is no such lead."""
    sets = "".join(f", {name} = ${n}" for n, name in enumerate(changes, start=3))
    return bool(
        await tx.affected(
            f"UPDATE lead SET updated_at = now(){sets} WHERE tenant_id = $1 AND id = $2",
            tenant_id,
            lead_id,
            *changes.values(),
        )
    )


async def has_open_lead(tx: Tx, tenant_id: UUID, conversation_id: UUID | None) -> bool:
    return bool(
        await tx.fetchval(
            """SELECT EXISTS (SELECT 1 FROM lead WHERE tenant_id = $1 AND conversation_id = $2
                              AND status NOT IN ('won', 'lost'))""",
            tenant_id,
            conversation_id,
        )
    )


async def insert_lead(tx: Tx, tenant_id: UUID, values: dict[str, Any]) -> dict[str, Any]:
    names = list(values)
    row = await tx.fetchrow(
        f"""INSERT INTO lead (tenant_id, id, {", ".join(names)})
            VALUES ($1, $2, {", ".join(f"${n}" for n in range(3, len(names) + 3))}) RETURNING {_LEAD}""",
        tenant_id,
        uuid7(),
        *values.values(),
    )
    assert row is not None, "an insert without a condition returns its row"
    return dict(row)
