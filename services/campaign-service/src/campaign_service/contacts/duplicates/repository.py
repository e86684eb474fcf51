"""SQL of duplicates: finding them, and making one contact of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from campaign_service.contacts.duplicates.schemas import Keep
from shared.database import Tx

_LOCAL, _DOMAIN = "split_part(c.email_lower, '@', 1)", "split_part(c.email_lower, '@', 2)"
_KEY = f"""CASE
    WHEN $2::boolean AND {_DOMAIN} IN ('gmail.com', 'googlemail.com')
        THEN replace(split_part({_LOCAL}, '+', 1), '.', '') || '@gmail.com'
    WHEN $3::boolean AND {_LOCAL} NOT LIKE '+%' THEN split_part({_LOCAL}, '+', 1) || '@' || {_DOMAIN}
    ELSE c.email_lower END"""
_COMPLETENESS = """num_nonnulls(c.phone, c.first_name, c.last_name, c.country, c.time_zone, c.category)
    + (SELECT count(*) FROM jsonb_object_keys(c.custom_fields))"""
_ORDER: dict[Keep, str] = {
    "oldest": "c.created_at, c.id",
    "newest": "c.created_at DESC, c.id DESC",
    "most_complete": f"{_COMPLETENESS} DESC, c.created_at, c.id",
}
_FILLED = ("phone", "first_name", "last_name", "country", "time_zone", "category", "source_id")


@dataclass(frozen=True, slots=True)
class Group:
    """Contacts of one person, as (id, address); the first one stays."""

    members: tuple[tuple[UUID, str], ...]


async def groups(
    tx: Tx, tenant_id: UUID, *, gmail_rules: bool, plus_addresses: bool, keep: Keep, limit: int
) -> list[Group]:
    """People who are there more than once, in the order of their addresses."""
    rows = await tx.fetch(
        f"""SELECT {_KEY} AS key, array_agg(c.id ORDER BY {_ORDER[keep]}) AS ids,
                   array_agg(c.email ORDER BY {_ORDER[keep]}) AS emails
            FROM contact c WHERE c.tenant_id = $1 AND c.email IS NOT NULL
            GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT $4""",
        tenant_id,
        gmail_rules,
        plus_addresses,
        limit,
    )
    return [Group(tuple(zip(row["ids"], row["emails"], strict=True))) for row in rows]


async def lock(tx: Tx, tenant_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Those that are still there, held until the transaction ends."""
    rows = await tx.fetch(
        "SELECT id FROM contact WHERE tenant_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR UPDATE",
        tenant_id,
        list(ids),
    )
    return {row["id"] for row in rows}


async def merge(tx: Tx, tenant_id: UUID, pairs: Sequence[tuple[UUID, UUID]]) -> int:
    """Make the kept contacts of the gone ones, as (gone, kept); of several the first fills a gap."""
    gone, kept = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    await _unite_tags(tx, tenant_id, gone, kept)
    await _fill(tx, tenant_id, gone, kept)
    await _suppress_alike(tx, tenant_id, gone, kept)
    await _note(tx, tenant_id, gone, kept)
    return int(
        await tx.affected(
            "DELETE FROM contact WHERE tenant_id = $1 AND id = ANY($2::uuid[])", tenant_id, gone
        )
    )


_PAIRS = "unnest($2::uuid[], $3::uuid[]) WITH ORDINALITY AS p(gone, kept, n)"


async def _unite_tags(tx: Tx, tenant_id: UUID, gone: list[UUID], kept: list[UUID]) -> None:
    await tx.execute(
        f"""INSERT INTO contact_tag (tenant_id, tag_id, contact_id)
            SELECT $1, ct.tag_id, p.kept FROM {_PAIRS}
            JOIN contact_tag ct ON ct.tenant_id = $1 AND ct.contact_id = p.gone
            ON CONFLICT DO NOTHING""",
        tenant_id,
        gone,
        kept,
    )


async def _fill(tx: Tx, tenant_id: UUID, gone: list[UUID], kept: list[UUID]) -> None:
    firsts = ", ".join(
        f"(array_agg(g.{name} ORDER BY p.n) FILTER (WHERE g.{name} IS NOT NULL))[1] AS {name}"
        for name in _FILLED
    )
    await tx.execute(
        f"""UPDATE contact c SET {", ".join(f"{name} = coalesce(c.{name}, m.{name})" for name in _FILLED)},
                custom_fields = m.custom_fields || c.custom_fields, updated_at = now(),
                phone_tried = CASE WHEN c.email IS NULL THEN c.phone_tried END
            FROM (SELECT p.kept, {firsts},
                         coalesce((SELECT jsonb_object_agg(f.key, f.value ORDER BY q.n DESC)
                                   FROM unnest($2::uuid[], $3::uuid[]) WITH ORDINALITY AS q(gone, kept, n)
                                   JOIN contact h ON h.tenant_id = $1 AND h.id = q.gone
                                   CROSS JOIN jsonb_each(h.custom_fields) f
                                   WHERE q.kept = p.kept), '{{}}') AS custom_fields
                  FROM {_PAIRS} JOIN contact g ON g.tenant_id = $1 AND g.id = p.gone
                  GROUP BY p.kept) m
            WHERE c.tenant_id = $1 AND c.id = m.kept""",
        tenant_id,
        gone,
        kept,
    )


async def _suppress_alike(tx: Tx, tenant_id: UUID, gone: list[UUID], kept: list[UUID]) -> None:
    """Who said no under one address has said so: the kept contact is not written to either."""
    await tx.execute(
        f"""UPDATE contact c SET status = m.status
            FROM (SELECT p.kept, min(g.status) AS status
                  FROM {_PAIRS} JOIN contact g ON g.tenant_id = $1 AND g.id = p.gone
                  WHERE g.status IN ('blacklisted', 'unsubscribed') GROUP BY p.kept) m
            WHERE c.tenant_id = $1 AND c.id = m.kept AND c.status <> 'blacklisted'""",
        tenant_id,
        gone,
        kept,
    )


async def _note(tx: Tx, tenant_id: UUID, gone: list[UUID], kept: list[UUID]) -> None:
    await tx.execute(
        f"""WITH moved AS (
                UPDATE contact_merge m SET kept_id = p.kept FROM {_PAIRS}
                WHERE m.tenant_id = $1 AND m.kept_id = p.gone)
            INSERT INTO contact_merge (tenant_id, contact_id, kept_id, email_lower)
            SELECT $1, p.gone, p.kept, g.email_lower
            FROM {_PAIRS} JOIN contact g ON g.tenant_id = $1 AND g.id = p.gone""",
        tenant_id,
        gone,
        kept,
    )
