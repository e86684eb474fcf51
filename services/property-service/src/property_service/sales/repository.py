"""SQL of sales: search and counts. Sales belong to no tenant, see docs/adr/0015."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from property_service.sales.geo import EARTH, Circle
from shared.database import Tx

_COLUMNS = """s.id, s.mutation_id, s.city_code, c.name AS city_name, c.id AS city_id, c.department,
    s.postal_code, s.address_raw, s.sale_date, s.property_type, s.surface, s.land_surface, s.rooms,
    s.price_cents, s.mutation_price_cents, s.nature, s.flags, s.latitude, s.longitude, s.is_latest, s.source,
    s.source_year, s.updated_at"""
# Great-circle distance in metres (haversine); `least` guards against rounding above 1.
_DISTANCE = f"""2 * {EARTH} * asin(least(1, sqrt(
    sin(radians(s.latitude - $7) / 2) ^ 2
    + cos(radians(s.latitude)) * cos(radians($7)) * sin(radians(s.longitude - $8) / 2) ^ 2)))"""
_FILTERS = """($2::text[] IS NULL OR s.property_type = ANY ($2))
    AND ($3::date IS NULL OR s.sale_date >= $3) AND ($4::date IS NULL OR s.sale_date <= $4)
    AND ($5::bigint IS NULL OR s.price_cents >= $5) AND ($6::bigint IS NULL OR s.price_cents <= $6)"""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a search asks for; None asks for nothing. Dates and prices (cents) are inclusive."""

    city_codes: Sequence[str] | None = None
    types: Sequence[str] | None = None
    start: date | None = None
    end: date | None = None
    min_cents: int | None = None
    max_cents: int | None = None

    def values(self) -> tuple[Any, ...]:
        return (self.city_codes, self.types, self.start, self.end, self.min_cents, self.max_cents)


async def in_cities(
    tx: Tx, filters: Filters, after: tuple[date, UUID] | None, limit: int
) -> list[dict[str, Any]]:
    """Sales of some cities, latest first."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM sale s JOIN city c ON c.code = s.city_code
            WHERE s.city_code = ANY ($1::text[]) AND {_FILTERS}
              AND ($7::date IS NULL OR (s.sale_date, s.id) < ($7, $8))
            ORDER BY s.sale_date DESC, s.id DESC LIMIT $9""",
        *filters.values(),
        *(after or (None, None)),
        limit,
    )
    return [dict(row) for row in rows]


async def anywhere(tx: Tx, filters: Filters, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Sales of the whole country, in no telling order: one by date would need an index for nobody."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM sale s JOIN city c ON c.code = s.city_code
            WHERE $1::text[] IS NULL AND {_FILTERS} AND ($7::uuid IS NULL OR s.id > $7)
            ORDER BY s.id LIMIT $8""",
        *filters.values(),
        after,
        limit,
    )
    return [dict(row) for row in rows]


async def around(
    tx: Tx, filters: Filters, circle: Circle, after: tuple[float, UUID] | None, limit: int
) -> list[dict[str, Any]]:
    """Sales within a circle, nearest first, with their `distance` in metres."""
    firsts, lasts = circle.ranges()
    rows = await tx.fetch(
        f"""WITH near AS (
                SELECT s.id, {_DISTANCE} AS distance
                FROM unnest($9::int[], $10::int[]) AS g (first, last)
                JOIN sale s ON s.geo_cell BETWEEN g.first AND g.last
                WHERE ($1::text[] IS NULL OR s.city_code = ANY ($1)) AND {_FILTERS}
            )
            SELECT near.distance, {_COLUMNS}
            FROM (SELECT id, distance FROM near
                  WHERE distance <= $11 AND ($12::float8 IS NULL OR (distance, id) > ($12, $13::uuid))
                  ORDER BY distance, id LIMIT $14) near
            JOIN sale s ON s.id = near.id JOIN city c ON c.code = s.city_code
            ORDER BY near.distance, near.id""",
        *filters.values(),
        circle.latitude,
        circle.longitude,
        firsts,
        lasts,
        circle.radius,
        *(after or (None, None)),
        limit,
    )
    return [dict(row) for row in rows]


async def count_latest(tx: Tx, city_codes: Sequence[str], start: date, end: date) -> int:
    """How many addresses of some cities were last sold within these days, both included."""
    found: int = await tx.fetchval(
        """SELECT count(*) FROM sale s
           WHERE s.is_latest AND s.city_code = ANY ($1) AND s.sale_date BETWEEN $2 AND $3""",
        city_codes,
        start,
        end,
    )
    return found
