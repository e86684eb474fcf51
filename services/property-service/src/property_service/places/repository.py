"""SQL of communes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx

_COLUMNS = """c.id, c.code, c.name, c.postal_codes, c.department, c.region, c.parent_code, c.merged_into,
    c.latitude, c.longitude, c.source, c.refreshed_at, c.updated_at"""


@dataclass(frozen=True, slots=True)
class NewCity:
    """A commune as a file has it; `search_key` holds all its names, each behind a bar."""

    code: str
    name: str
    search_key: str
    postal_codes: tuple[str, ...]
    department: str
    region: str | None
    parent_code: str | None
    latitude: float | None
    longitude: float | None


async def by_ids(tx: Tx, city_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """The cities of some ids, by name; unknown ids are left out."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM city c WHERE c.id = ANY ($1) ORDER BY name, code", city_ids
    )
    return [dict(row) for row in rows]


async def sale_codes(tx: Tx, city_ids: Sequence[UUID]) -> list[str]:
    """The values of `sale.city_code` for some chosen cities: their own codes, and those of their
    arrondissements; a former commune stands for the one it is part of today.
    """
    rows = await tx.fetch(
        """WITH chosen AS (SELECT coalesce(merged_into, code) AS code FROM city WHERE id = ANY ($1))
           SELECT code FROM chosen UNION SELECT c.code FROM city c JOIN chosen ON c.parent_code = chosen.code
           ORDER BY 1""",
        city_ids,
    )
    return [row["code"] for row in rows]


async def resolve(tx: Tx, cities: Sequence[str]) -> tuple[list[str], list[str]]:
    """The values of `sale.city_code` for cities given by INSEE code or id, and those that there are not."""
    rows = await tx.fetch(
        """SELECT given, c.id FROM unnest($1::text[]) AS given
           LEFT JOIN city c ON c.code = upper(given)
               OR c.id = CASE
                   WHEN given ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN given::uuid END""",
        list(cities),
    )
    unknown = [row["given"] for row in rows if row["id"] is None]
    return await sale_codes(tx, [row["id"] for row in rows if row["id"]]), unknown


async def get(tx: Tx, code: str) -> dict[str, Any] | None:
    row = await tx.fetchrow(f"SELECT {_COLUMNS} FROM city c WHERE c.code = $1", code)
    return dict(row) if row else None


async def search(
    tx: Tx, name: str, number: str, department: str | None, after: tuple[str, str] | None, limit: int
) -> list[dict[str, Any]]:
    """Cities by the beginning of any word of any of their names, or by the beginning of a code.

    In the order of names; both empty: all of them. Former communes are found as part of today's.
    """
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM city c
            WHERE c.merged_into IS NULL AND ($3::text IS NULL OR c.department = $3)
              AND (($1 = '' AND $2 = '')
                OR ($1 <> '' AND (c.search_key LIKE '%|' || $1 || '%' OR c.search_key LIKE '% ' || $1 || '%'))
                OR ($2 <> '' AND (c.code LIKE $2 || '%' OR EXISTS (
                    SELECT FROM unnest(c.postal_codes) AS p (code) WHERE p.code LIKE $2 || '%'))))
              AND ($4::text IS NULL OR (c.name COLLATE "C", c.code) > ($4, $5))
            ORDER BY c.name COLLATE "C", c.code LIMIT $6""",
        name,
        number,
        department,
        *(after or (None, None)),
        limit,
    )
    return [dict(row) for row in rows]


_GIVEN = """SELECT g.code, g.name, g.search_key, string_to_array(g.postal, ' ') AS postal_codes, g.department,
                  g.region, g.parent_code, g.latitude, g.longitude
           FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                       $8::float8[], $9::float8[])
               AS g (code, name, search_key, postal, department, region, parent_code, latitude, longitude)"""
_FACTS = "code, name, search_key, postal_codes, department, region, parent_code, latitude, longitude"


async def put(tx: Tx, cities: Sequence[NewCity], source: str) -> dict[str, int]:
    """Bring communes to what an official file says; how many are new, changed and unchanged.

    Coordinates are kept where the file has none, and former communes stay findable.
    """
    row = await tx.fetchrow(
        f"""WITH merged AS (
                INSERT INTO city AS c ({_FACTS}, source) SELECT *, $10 FROM ({_GIVEN}) g
                ON CONFLICT (code) DO UPDATE SET name = excluded.name, search_key = excluded.search_key,
                    postal_codes = excluded.postal_codes, department = excluded.department,
                    region = excluded.region, parent_code = excluded.parent_code, merged_into = NULL,
                    latitude = coalesce(excluded.latitude, c.latitude),
                    longitude = coalesce(excluded.longitude, c.longitude), source = excluded.source,
                    updated_at = now()
                    WHERE (c.name, c.search_key, c.postal_codes, c.parent_code, c.source, c.merged_into,
                           c.latitude, c.longitude)
                        IS DISTINCT FROM (excluded.name, excluded.search_key, excluded.postal_codes,
                           excluded.parent_code, excluded.source, NULL,
                           coalesce(excluded.latitude, c.latitude), coalesce(excluded.longitude, c.longitude))
                RETURNING (xmax = 0) AS is_new)
            SELECT count(*) FILTER (WHERE is_new) AS new, count(*) FILTER (WHERE NOT is_new) AS changed
            FROM merged""",
        *_columns(cities),
        source,
    )
    assert row is not None, "an aggregate has a row"
    return {**row, "unchanged": len(cities) - row["new"] - row["changed"]}


async def add_missing(tx: Tx, cities: Sequence[NewCity], source: str) -> None:
    """Insert communes that are not there; those that are stay as they are."""
    await tx.execute(
        f"""INSERT INTO city ({_FACTS}, source) SELECT *, $10 FROM ({_GIVEN}) g
            ON CONFLICT (code) DO NOTHING""",
        *_columns(cities),
        source,
    )


def _columns(cities: Sequence[NewCity]) -> list[list[Any]]:
    return [
        [city.code for city in cities],
        [city.name for city in cities],
        [city.search_key for city in cities],
        [" ".join(city.postal_codes) for city in cities],
        [city.department for city in cities],
        [city.region for city in cities],
        [city.parent_code for city in cities],
        [city.latitude for city in cities],
        [city.longitude for city in cities],
    ]


async def merge_former(tx: Tx, merged: Mapping[str, str]) -> None:
    """Note former communes as part of today's (former code to today's), and move their sales there.

    What the post office lists is no former commune, whatever a file of sales says.
    """
    moved = await tx.fetch(
        """UPDATE city c SET merged_into = m.code, updated_at = now()
           FROM unnest($1::text[], $2::text[]) AS m (former, code) JOIN city today ON today.code = m.code
           WHERE c.code = m.former AND c.merged_into IS DISTINCT FROM m.code AND c.source <> 'laposte'
             AND today.merged_into IS NULL
           RETURNING c.code""",
        list(merged),
        list(merged.values()),
    )
    former = [row["code"] for row in moved]
    await tx.execute(
        """UPDATE city today SET search_key = today.search_key || c.names
           FROM (SELECT merged_into, string_agg(search_key, '' ORDER BY code) AS names
                 FROM city WHERE code = ANY ($1) GROUP BY merged_into) c
           WHERE today.code = c.merged_into AND position(c.names IN today.search_key) = 0""",
        former,
    )
    await tx.execute(
        """UPDATE sale s SET city_code = c.merged_into, updated_at = now() FROM city c
           WHERE c.code = ANY ($1) AND s.city_code = c.code""",
        former,
    )


async def set_refreshed(tx: Tx, codes: Sequence[str], at: datetime) -> None:
    await tx.execute("UPDATE city SET refreshed_at = $2 WHERE code = ANY ($1)", codes, at)
