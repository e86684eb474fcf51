"""SQL of short links and clicks."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from code_service.links.visit import Click, visitor_of
from shared.database import Tx
from shared.utils import uuid7

_COLUMNS = """id, short_id, url, target_url, utm, title, is_active, expires_at, clicks, scanner_clicks,
    created_at, updated_at"""


async def insert(tx: Tx, tenant_id: UUID, fields: dict[str, Any], now: datetime) -> dict[str, Any] | None:
    """The new link; None when its short id is taken, by whomever, or its reference by the tenant."""
    row = await tx.fetchrow(
        f"""INSERT INTO link (tenant_id, id, short_id, url, utm, target_url, title, expires_at, created_at,
                              updated_at, reference)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)
            ON CONFLICT DO NOTHING RETURNING {_COLUMNS}""",
        tenant_id,
        uuid7(),
        fields["short_id"],
        fields["url"],
        fields["utm"],
        fields["target_url"],
        fields["title"],
        fields["expires_at"],
        now,
        fields.get("reference"),
    )
    return dict(row) if row else None


async def get(tx: Tx, tenant_id: UUID, link_id: UUID, *, lock: bool = False) -> dict[str, Any] | None:
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM link WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL"
        + (" FOR UPDATE" if lock else ""),
        tenant_id,
        link_id,
    )
    return dict(row) if row else None


async def by_references(tx: Tx, tenant_id: UUID, references: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Reference to link, of those that there are."""
    rows = await tx.fetch(
        f"SELECT reference, {_COLUMNS} FROM link WHERE tenant_id = $1 AND reference = ANY($2::text[])",
        tenant_id,
        list(references),
    )
    return {row["reference"]: dict(row) for row in rows}


async def page(
    tx: Tx, tenant_id: UUID, q: str | None, before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Newest first; `q` is a part of short id, title or address."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM link
            WHERE tenant_id = $1 AND deleted_at IS NULL AND ($2::uuid IS NULL OR id < $2)
              AND ($3::text IS NULL OR strpos(lower(concat_ws(' ', short_id, title, url)), lower($3)) > 0)
            ORDER BY id DESC LIMIT $4""",
        tenant_id,
        before,
        q,
        limit,
    )
    return [dict(row) for row in rows]


async def update(
    tx: Tx, tenant_id: UUID, link_id: UUID, fields: dict[str, Any], now: datetime
) -> dict[str, Any]:
    """Write all fields that can change; the link as it is then."""
    row = await tx.fetchrow(
        f"""UPDATE link SET url = $3, utm = $4, target_url = $5, title = $6, is_active = $7, expires_at = $8,
                            updated_at = $9
            WHERE tenant_id = $1 AND id = $2 RETURNING {_COLUMNS}""",
        tenant_id,
        link_id,
        *(fields[name] for name in ("url", "utm", "target_url", "title", "is_active", "expires_at")),
        now,
    )
    assert row is not None, "the caller holds its lock"
    return dict(row)


async def delete(tx: Tx, tenant_id: UUID, link_id: UUID, now: datetime) -> None:
    """Take a link away. Its row stays, so that nobody else gets its short id."""
    await tx.execute(
        "UPDATE link SET deleted_at = $3, updated_at = $3 WHERE tenant_id = $1 AND id = $2",
        tenant_id,
        link_id,
        now,
    )


async def by_short_id(tx: Tx, short_id: str) -> dict[str, Any] | None:
    """Where a link leads, over all tenants; also one that is off or deleted."""
    row = await tx.fetchrow(
        """SELECT tenant_id, id, target_url, expires_at, is_active AND deleted_at IS NULL AS is_active
           FROM link WHERE short_id = $1""",
        short_id,
    )
    return dict(row) if row else None


async def salt_of(tx: Tx, day: date) -> bytes:
    """The salt of a UTC day: the one that another process chose, or a new one."""
    await tx.execute(
        "INSERT INTO visitor_salt (day, salt) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        day,
        secrets.token_bytes(32),
    )
    salt: bytes = await tx.fetchval("SELECT salt FROM visitor_salt WHERE day = $1", day)
    return salt


async def forget_salts(tx: Tx, before: date) -> int:
    """Destroy the salts of days before a day; how many."""
    return await tx.affected("DELETE FROM visitor_salt WHERE day < $1", before)


async def store_clicks(tx: Tx, clicks: Sequence[Click], salts: Mapping[date, bytes]) -> list[dict[str, Any]]:
    """Write clicks and count them, over all tenants; those of people with the links they were on.

    A batch that is stored twice counts once. Rows are locked in order, so that batches do not wait in a ring.
    """
    links = sorted({(click.tenant_id, click.link_id) for click in clicks})
    await tx.execute(
        """SELECT 1 FROM link WHERE (tenant_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
           ORDER BY tenant_id, id FOR UPDATE""",
        [key[0] for key in links],
        [key[1] for key in links],
    )
    rows = await tx.fetch(
        """INSERT INTO link_click (tenant_id, link_id, id, at, verdict, visitor, referrer, device)
           SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[],
                                $7::text[], $8::text[])
           ON CONFLICT DO NOTHING RETURNING tenant_id, link_id, at, verdict, visitor""",
        *(list(column) for column in zip(*(_cells(click, salts) for click in clicks), strict=True)),
    )
    await _count(tx, Counter((row["tenant_id"], row["link_id"], row["verdict"]) for row in rows))
    return await _of_people(tx, [dict(row) for row in rows if row["verdict"] == "human"])


def _cells(click: Click, salts: Mapping[date, bytes]) -> tuple[Any, ...]:
    return (
        click.tenant_id,
        click.link_id,
        click.id,
        click.at,
        click.verdict,
        visitor_of(click.address, salts[click.at.date()]),
        click.referrer,
        click.device,
    )


async def _count(tx: Tx, numbers: Counter[tuple[UUID, UUID, str]]) -> None:
    keys = sorted({key[:2] for key in numbers})
    await tx.execute(
        """UPDATE link l SET clicks = l.clicks + n.people, scanner_clicks = l.scanner_clicks + n.scanners
           FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[])
                AS n(tenant_id, id, people, scanners)
           WHERE l.tenant_id = n.tenant_id AND l.id = n.id""",
        [key[0] for key in keys],
        [key[1] for key in keys],
        [numbers[*key, "human"] for key in keys],
        [numbers[*key, "scanner"] for key in keys],
    )


async def _of_people(tx: Tx, clicks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = await tx.fetch(
        """SELECT l.tenant_id, l.id AS link_id, l.short_id, l.target_url, c.at, c.visitor
           FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[])
                AS c(tenant_id, link_id, at, visitor)
           JOIN link l ON l.tenant_id = c.tenant_id AND l.id = c.link_id""",
        *([click[name] for click in clicks] for name in ("tenant_id", "link_id", "at", "visitor")),
    )
    return [dict(row) for row in rows]


async def days(
    tx: Tx, tenant_id: UUID, link_id: UUID, since: date | None, until: date | None
) -> list[dict[str, Any]]:
    """Clicks by UTC day, both ends included, in order."""
    rows = await tx.fetch(
        """SELECT (at AT TIME ZONE 'UTC')::date AS day,
                  count(*) FILTER (WHERE verdict = 'human') AS clicks,
                  count(DISTINCT visitor) FILTER (WHERE verdict = 'human') AS visitors,
                  count(*) FILTER (WHERE verdict = 'scanner') AS scanner_clicks
           FROM link_click
           WHERE tenant_id = $1 AND link_id = $2
             AND ($3::date IS NULL OR at >= $3::date::timestamp AT TIME ZONE 'UTC')
             AND ($4::date IS NULL OR at < ($4::date + 1)::timestamp AT TIME ZONE 'UTC')
           GROUP BY 1 ORDER BY 1""",
        tenant_id,
        link_id,
        since,
        until,
    )
    return [dict(row) for row in rows]


async def shares(
    tx: Tx,
    tenant_id: UUID,
    link_id: UUID,
    by: Literal["referrer", "device"],
    since: date | None,
    until: date | None,
) -> list[dict[str, Any]]:
    """Clicks of people by a column, the fifty most frequent values."""
    rows = await tx.fetch(
        f"""SELECT {by} AS name, count(*) AS clicks FROM link_click
            WHERE tenant_id = $1 AND link_id = $2 AND verdict = 'human'
              AND ($3::date IS NULL OR at >= $3::date::timestamp AT TIME ZONE 'UTC')
              AND ($4::date IS NULL OR at < ($4::date + 1)::timestamp AT TIME ZONE 'UTC')
            GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 50""",
        tenant_id,
        link_id,
        since,
        until,
    )
    return [dict(row) for row in rows]
