"""SQL of contacts, and of what campaigns know about one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from shared.database import Tx

FIELDS = (
    "email",
    "phone",
    "first_name",
    "last_name",
    "language",
    "country",
    "time_zone",
    "category",
    "status",
    "validation_status",
)
_READ = ("phone_e164", "phone_tried")
_COLUMNS = f"""c.id, c.tenant_id, {", ".join(f"c.{name}" for name in FIELDS)}, c.phone_e164,
    c.custom_fields, c.source_id,
    c.validation_score, c.validation_errors, c.validated_at, c.created_at, c.updated_at,
    ARRAY(SELECT t.slug FROM contact_tag ct JOIN tag t ON t.tenant_id = ct.tenant_id AND t.id = ct.tag_id
          WHERE ct.tenant_id = c.tenant_id AND ct.contact_id = c.id ORDER BY t.slug) AS tags"""
# The status a suppressed address gives its contact, also when it is added again later.
_STATUS = """coalesce((SELECT CASE s.reason WHEN 'unsubscribed' THEN 'unsubscribed'
        WHEN 'hard_bounce' THEN 'invalid' WHEN 'invalid' THEN 'invalid' ELSE 'blacklisted' END
    FROM suppression s
    WHERE s.tenant_id = $1 AND s.channel = 'email' AND s.address_lower = lower({address})
      AND s.reason <> 'soft_bounces' AND s.expires_at IS NULL
    ORDER BY s.scope LIMIT 1), {otherwise})"""
_STATUS_OF_NEW = _STATUS.format(address="g.email", otherwise="g.status")

# What is known of an address goes with it.
_UNVALIDATED = """, validation_score = CASE WHEN email IS NOT DISTINCT FROM ${n} THEN validation_score END,
    validation_errors = CASE WHEN email IS NOT DISTINCT FROM ${n} THEN validation_errors ELSE '{{}}' END,
    validated_at = CASE WHEN email IS NOT DISTINCT FROM ${n} THEN validated_at END"""
# So does whether it can be written to. What a person said stays, whatever the address.
_STATUS_OF_CHANGED = f""", status = CASE
    WHEN email IS NOT DISTINCT FROM ${{n}} OR status NOT IN ('valid', 'invalid') THEN status
    ELSE {_STATUS.format(address="${n}", otherwise="'valid'")} END"""
# A phone is read by the country it is in. Who has no address is known by the number, which stays.
_UNREAD = (
    """, phone_tried = CASE WHEN country IS NOT DISTINCT FROM ${n} OR email IS NULL THEN phone_tried END"""
)


async def insert_many(
    tx: Tx, tenant_id: UUID, rows: Sequence[dict[str, Any]], source_id: UUID | None = None
) -> dict[str, UUID]:
    """Lower-cased address (number, where there is none) to id of the rows that were new.

    Rows have `id`, FIELDS and `custom_fields`; those without an address `phone_e164` and `phone_tried`.
    """
    names = ("id", *FIELDS, *_READ)
    casts = ("uuid[]", *["text[]"] * (len(names) - 1))
    arrays = ", ".join(f"${n}::{cast}" for n, cast in enumerate(casts, start=4))
    values = ", ".join(_STATUS_OF_NEW if name == "status" else f"g.{name}" for name in names)
    rows_in = await tx.fetch(
        f"""INSERT INTO contact (tenant_id, source_id, {", ".join(names)}, custom_fields)
            SELECT $1, $2, {values}, g.custom
            FROM unnest({arrays}, $3::jsonb[]) AS g({", ".join(names)}, custom)
            ON CONFLICT DO NOTHING
            RETURNING coalesce(email_lower, phone_e164) AS key, id""",
        tenant_id,
        source_id,
        [row["custom_fields"] for row in rows],
        *([row.get(name) for row in rows] for name in names),
    )
    return {row["key"]: row["id"] for row in rows_in}


async def get(tx: Tx, tenant_id: UUID, contact_id: UUID) -> dict[str, Any] | None:
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM contact c WHERE c.tenant_id = $1 AND c.id = $2", tenant_id, contact_id
    )
    return dict(row) if row else None


async def get_many(tx: Tx, tenant_id: UUID, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Those that are there, in the order of their ids."""
    sql = f"SELECT {_COLUMNS} FROM contact c WHERE c.tenant_id = $1 AND c.id = ANY($2::uuid[]) ORDER BY c.id"
    return [dict(row) for row in await tx.fetch(sql, tenant_id, list(ids))]


async def page(
    tx: Tx, tenant_id: UUID, filters: dict[str, Any], after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Newest first. `filters`: q (part of address or name), tag (slug), status, language, source_id."""
    where, params = conditions(tenant_id, filters)
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM contact c
            WHERE {where} AND (${len(params) + 1}::uuid IS NULL OR c.id < ${len(params) + 1})
            ORDER BY c.id DESC LIMIT ${len(params) + 2}""",
        *params,
        after,
        limit,
    )
    return [dict(row) for row in rows]


def conditions(tenant_id: UUID, filters: dict[str, Any]) -> tuple[str, list[Any]]:
    """The WHERE of a filtered list over contact `c`, and its parameters."""
    parts, params = ["c.tenant_id = $1"], [tenant_id]
    templates = {
        "q": """(strpos(c.email_lower, lower({0})) > 0
                 OR strpos(lower(concat_ws(' ', c.first_name, c.last_name)), lower({0})) > 0)""",
        "tag": """EXISTS (SELECT 1 FROM contact_tag ct JOIN tag t ON t.tenant_id = $1 AND t.id = ct.tag_id
                  WHERE ct.tenant_id = $1 AND ct.contact_id = c.id AND t.slug = {0})""",
        "status": "c.status = {0}",
        "language": "c.language = {0}",
        "source_id": "c.source_id = {0}",
    }
    for name, template in templates.items():
        if (value := filters.get(name)) is not None:
            params.append(value)
            cast = "uuid" if name == "source_id" else "text"
            parts.append(template.format(f"${len(params)}::{cast}"))
    return " AND ".join(parts), params


async def lock(tx: Tx, tenant_id: UUID, contact_id: UUID) -> bool:
    """Hold a contact as it is until the transaction ends; False when there is none."""
    sql = "SELECT true FROM contact WHERE tenant_id = $1 AND id = $2 FOR UPDATE"
    return bool(await tx.fetchval(sql, tenant_id, contact_id))


async def update(tx: Tx, tenant_id: UUID, contact_id: UUID, changes: dict[str, Any]) -> bool:
    """Set the given fields, merging `custom_fields` without its nulls. False when nothing changed."""
    names = [name for name in (*FIELDS, *_READ) if name in changes]
    sets = [f", {name} = ${n}" for n, name in enumerate(names, start=4)]
    differs = [f"{name} IS DISTINCT FROM ${n}" for n, name in enumerate(names, start=4)]
    if "email" in changes:
        sets.append(_UNVALIDATED.format(n=names.index("email") + 4))
        if "status" not in changes:
            sets.append(_STATUS_OF_CHANGED.format(n=names.index("email") + 4))
    if "country" in changes and "phone_tried" not in changes:
        sets.append(_UNREAD.format(n=names.index("country") + 4))
    merged = "jsonb_strip_nulls(custom_fields || $3::jsonb)"
    return bool(
        await tx.affected(
            f"""UPDATE contact SET custom_fields = {merged}, updated_at = now(){"".join(sets)}
                WHERE tenant_id = $1 AND id = $2
                  AND ({" OR ".join([f"custom_fields IS DISTINCT FROM {merged}", *differs])})""",
            tenant_id,
            contact_id,
            changes.get("custom_fields", {}),
            *(changes[name] for name in names),
        )
    )


async def id_of_email(tx: Tx, tenant_id: UUID, email: str) -> UUID | None:
    found: UUID | None = await tx.fetchval(
        "SELECT id FROM contact WHERE tenant_id = $1 AND email_lower = lower($2)", tenant_id, email
    )
    return found


async def id_of_phone(tx: Tx, tenant_id: UUID, number: str) -> UUID | None:
    """The contact who has this number and no address."""
    found: UUID | None = await tx.fetchval(
        "SELECT id FROM contact WHERE tenant_id = $1 AND phone_e164 = $2 AND email IS NULL", tenant_id, number
    )
    return found


async def existing(
    tx: Tx, tenant_id: UUID, ids: Sequence[UUID], emails: Sequence[str]
) -> tuple[set[UUID], dict[str, UUID]]:
    """Those of `ids` that exist, and lower-cased address (number) to id of those of `emails` that exist."""
    rows = await tx.fetch(
        """SELECT id, coalesce(email_lower, phone_e164) AS key FROM contact
           WHERE tenant_id = $1 AND (id = ANY($2::uuid[]) OR email_lower = ANY($3::text[])
                                     OR (email IS NULL AND phone_e164 = ANY($3::text[])))""",
        tenant_id,
        list(ids),
        [email.lower() for email in emails],
    )
    return {row["id"] for row in rows}, {row["key"]: row["id"] for row in rows}


async def delete_many(tx: Tx, tenant_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Delete contacts with their tags; the ids that were there. Suppressions of their addresses stay."""
    rows = await tx.fetch(
        "DELETE FROM contact WHERE tenant_id = $1 AND id = ANY($2::uuid[]) RETURNING id", tenant_id, list(ids)
    )
    return {row["id"] for row in rows}


async def events(
    tx: Tx, tenant_id: UUID, contact_id: UUID, after: Sequence[Any] | None, limit: int
) -> list[dict[str, Any]]:
    """What was heard about mails to a contact, latest first; `after` is (occurred_at, id)."""
    occurred_at, event_id = after or (None, None)
    rows = await tx.fetch(
        """SELECT e.id, e.type, e.occurred_at, e.campaign_id, k.name AS campaign_name, e.verdict,
                  e.link_index, e.detail
           FROM message_event e LEFT JOIN campaign k ON k.tenant_id = e.tenant_id AND k.id = e.campaign_id
           WHERE e.tenant_id = $1 AND e.contact_id = $2
             AND ($3::timestamptz IS NULL OR (e.occurred_at, e.id) < ($3, $4::uuid))
           ORDER BY e.occurred_at DESC, e.id DESC LIMIT $5""",
        tenant_id,
        contact_id,
        occurred_at,
        event_id,
        limit,
    )
    return [dict(row) for row in rows]


async def campaigns(tx: Tx, tenant_id: UUID, contact_id: UUID) -> list[dict[str, Any]]:
    """Where the latest campaigns' mails to a contact stand."""
    rows = await tx.fetch(
        """SELECT k.id AS campaign_id, k.name AS campaign_name, r.state, r.skip_reason,
                  r.last_code, r.last_detail, r.accepted_at, r.delivered_at, r.bounced_at,
                  r.first_opened_at, r.first_clicked_at,
                  r.unsubscribed_at, r.complained_at
           FROM campaign k
           JOIN campaign_recipient r
             ON r.tenant_id = k.tenant_id AND r.campaign_id = k.id AND r.contact_id = $2
           WHERE k.tenant_id = $1 AND k.started_at IS NOT NULL ORDER BY k.started_at DESC LIMIT 100""",
        tenant_id,
        contact_id,
    )
    return [dict(row) for row in rows]


async def custom_keys(tx: Tx, tenant_id: UUID) -> list[str]:
    """Names of the custom fields in use, at most 200."""
    rows = await tx.fetch(
        """SELECT DISTINCT jsonb_object_keys(custom_fields) AS key FROM contact
           WHERE tenant_id = $1 AND custom_fields <> '{}' ORDER BY key LIMIT 200""",
        tenant_id,
    )
    return [row["key"] for row in rows]


async def stream(tx: Tx, tenant_id: UUID, filters: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """All contacts of a filtered list, oldest first, without holding them in memory."""
    where, params = conditions(tenant_id, filters)
    sql = f"SELECT {_COLUMNS} FROM contact c WHERE {where} ORDER BY c.id"
    async for row in tx.cursor(sql, *params, prefetch=2000):
        yield row
