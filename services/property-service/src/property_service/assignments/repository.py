"""SQL of assignments and their draws. How sales are drawn is in `migrations/0011_assignments.sql`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from shared.database import Tx

_ASSIGNED = """a.sale_id AS address_id, s.address_raw, coalesce(c.name, s.city_code) AS city_name,
    s.city_code AS insee_code, s.postal_code, s.price_cents, s.surface, s.rooms, s.property_type, s.sale_date,
    a.status, a.send_date, a.notes, a.details, a.updated_at, s.updated_at AS data_of"""
_FROM = """assignment a JOIN sale s ON s.id = a.sale_id LEFT JOIN city c ON c.code = s.city_code"""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a draw is asked for; both dates are included."""

    client_id: UUID
    draw_id: UUID
    city_codes: list[str]
    property_types: list[str]
    oldest: date
    newest: date
    count: int
    seed: int
    period: str | None
    drawn_on: date


async def assign(tx: Tx, tenant_id: UUID, wish: Wish, now: datetime) -> dict[str, Any] | None:
    """Draw and store; the draw, or the one the period has already. None when there is no such client."""
    row = await tx.fetchrow(
        "SELECT * FROM assign_sales($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        tenant_id,
        wish.client_id,
        wish.draw_id,
        wish.city_codes,
        wish.property_types,
        wish.oldest,
        wish.newest,
        wish.count,
        wish.seed,
        wish.period,
        wish.drawn_on,
        now,
    )
    return dict(row) if row else None


async def of_draw(tx: Tx, tenant_id: UUID, draw_id: UUID) -> list[dict[str, Any]]:
    """What a draw gave, in the order drawn."""
    rows = await tx.fetch(
        f"SELECT {_ASSIGNED} FROM {_FROM} WHERE a.tenant_id = $1 AND a.draw_id = $2 ORDER BY a.place",
        tenant_id,
        draw_id,
    )
    return [dict(row) for row in rows]


async def page(tx: Tx, tenant_id: UUID, client_id: UUID, limit: int, offset: int) -> list[dict[str, Any]]:
    """What a client was given, latest first; what came together in the order drawn."""
    rows = await tx.fetch(
        f"""SELECT {_ASSIGNED} FROM {_FROM} WHERE a.tenant_id = $1 AND a.client_id = $2
            ORDER BY a.send_date DESC, a.draw_id DESC, a.place LIMIT $3 OFFSET $4""",
        tenant_id,
        client_id,
        limit,
        offset,
    )
    return [dict(row) for row in rows]


async def count(tx: Tx, tenant_id: UUID, client_id: UUID) -> int:
    """How many addresses a client was given."""
    sql = "SELECT count(*) FROM assignment WHERE tenant_id = $1 AND client_id = $2"
    return int(await tx.fetchval(sql, tenant_id, client_id))


async def get(tx: Tx, tenant_id: UUID, client_id: UUID, sale_id: UUID) -> dict[str, Any] | None:
    """One assignment of a client who was not deleted."""
    row = await tx.fetchrow(
        f"""SELECT {_ASSIGNED} FROM {_FROM}
            JOIN client k ON k.tenant_id = a.tenant_id AND k.id = a.client_id AND k.deleted_at IS NULL
            WHERE a.tenant_id = $1 AND a.client_id = $2 AND a.sale_id = $3""",
        tenant_id,
        client_id,
        sale_id,
    )
    return dict(row) if row else None


async def note(
    tx: Tx, tenant_id: UUID, client_id: UUID, sale_id: UUID, changes: dict[str, Any], now: datetime
) -> bool:
    """Change `status`, `notes` and each of `details`, as far as given; False when there is no such row."""
    return bool(
        await tx.affected(
            """UPDATE assignment SET status = coalesce($4::jsonb->>'status', status),
                   notes = CASE WHEN $4::jsonb ? 'notes' THEN $4::jsonb->>'notes' ELSE notes END,
                   details = jsonb_strip_nulls(details || ($4::jsonb->'details')), updated_at = $5
               WHERE tenant_id = $1 AND client_id = $2 AND sale_id = $3""",
            tenant_id,
            client_id,
            sale_id,
            changes,
            now,
        )
    )


async def reset(tx: Tx, tenant_id: UUID, client_id: UUID) -> int:
    """Forget what a client was given, and the draws, whose periods may be drawn again; how many addresses."""
    deleted = await tx.affected(
        "DELETE FROM assignment WHERE tenant_id = $1 AND client_id = $2", tenant_id, client_id
    )
    await tx.execute(
        "DELETE FROM assignment_draw WHERE tenant_id = $1 AND client_id = $2", tenant_id, client_id
    )
    return deleted


async def draws(tx: Tx, tenant_id: UUID, client_id: UUID) -> list[dict[str, Any]]:
    """A client's draws, latest first."""
    rows = await tx.fetch(
        """SELECT id AS draw_id, period, drawn_on, requested, eligible, assigned, created_at
           FROM assignment_draw WHERE tenant_id = $1 AND client_id = $2 ORDER BY id DESC""",
        tenant_id,
        client_id,
    )
    return [dict(row) for row in rows]
