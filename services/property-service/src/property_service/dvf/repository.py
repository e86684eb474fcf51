"""SQL of the merge: staged rows to mutations, mutations to sold units, units into the table of sales."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from property_service.dvf.rows import COLUMNS
from property_service.dvf.values import NOMINAL_CENTS
from shared.database import Tx

#: Below this a dwelling or shop was not sold at a market price (euro cents).
SYMBOLIC_CENTS = 100_000
#: From so many new sales on the planner is told at once, not when autovacuum comes by.
_MANY_ROWS = 1000

_OPEN = """
SET LOCAL work_mem = '128MB';
SET LOCAL temp_buffers = '64MB';
SET LOCAL statement_timeout = '30min';
SET LOCAL jit = off;
CREATE TEMPORARY TABLE dvf_row (
    deal bigint NOT NULL, mutation bigint NOT NULL, sold date NOT NULL, nature text NOT NULL, cents bigint,
    slot uuid NOT NULL, unit bigint NOT NULL, part bigint NOT NULL, kind smallint NOT NULL,
    city text COLLATE "C" NOT NULL,
    parcel text COLLATE "C" NOT NULL, lots text COLLATE "C" NOT NULL, number integer, suffix text COLLATE "C",
    is_fictitious boolean NOT NULL, street text COLLATE "C", street_key text COLLATE "C",
    postal text COLLATE "C", surface integer, rooms integer, land integer,
    latitude double precision, longitude double precision
) ON COMMIT DROP;
CREATE TEMPORARY TABLE dvf_touched (address_key uuid NOT NULL, city_code text COLLATE "C" NOT NULL)
ON COMMIT DROP"""

# Communes of one deal belong together unless several of them have buildings: then they are several deals that
# happen to have the same day and price. Communes with land alone follow the first commune with buildings.
_JOIN_COMMUNES = """
WITH several AS (
    SELECT deal FROM dvf_row GROUP BY deal HAVING min(mutation) <> max(mutation)
), commune AS (
    SELECT deal, mutation, min(parcel) AS parcel, min(city) AS city,
           max(CASE WHEN unit <> 0 THEN 2 WHEN kind = 3 OR lots <> '' THEN 1 ELSE 0 END) AS level
    FROM dvf_row JOIN several USING (deal) GROUP BY deal, mutation
), target AS (
    SELECT mutation, CASE WHEN level > 0 AND level = max(level) OVER deals THEN mutation
                          ELSE first_value(mutation) OVER deals END AS target
    FROM commune WINDOW deals AS (PARTITION BY deal ORDER BY level DESC, parcel, city)
)
UPDATE dvf_row r SET mutation = t.target FROM target t
WHERE r.mutation = t.mutation AND t.target <> t.mutation"""

# One row a unit (`unit` is 0 for rows that are no building). A unit's rows repeat for each kind of land use,
# so rows that differ in that alone are one unit; rows alike in everything are as many units. A mutation
# without units is one row, the most telling of its rows.
_UNITS = """
CREATE TEMPORARY TABLE dvf_unit ON COMMIT DROP AS
WITH picked AS (
    SELECT DISTINCT ON (mutation, unit = 0, unit) * FROM dvf_row
    ORDER BY mutation, unit = 0, unit, kind DESC, lots <> '' DESC, land DESC NULLS LAST, parcel, lots, number,
             suffix, street, surface, rooms, is_fictitious, postal, city, latitude, longitude
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY mutation ORDER BY unit = 0, unit) AS rank FROM picked
), alike AS (
    SELECT mutation, unit, max(times) AS times
    FROM (SELECT mutation, unit, count(*) AS times FROM dvf_row WHERE unit <> 0
          GROUP BY mutation, unit, part HAVING count(*) > 1) repeated
    GROUP BY mutation, unit
), ground AS (
    SELECT mutation, least(sum(land), 2000000000)::integer AS land
    FROM (SELECT mutation, max(land) AS land FROM dvf_row WHERE land > 0 GROUP BY mutation, part) parts
    GROUP BY mutation
), counted AS (
    SELECT r.*, coalesce(a.times, 1) AS times,
           (sum(coalesce(a.times, 1)) OVER (PARTITION BY r.mutation))::integer AS units
    FROM ranked r LEFT JOIN alike a ON a.mutation = r.mutation AND a.unit = r.unit
    WHERE r.unit <> 0 OR r.rank = 1
), sold AS (
    SELECT *, generate_series(1, times) FROM counted
), numbered AS (
    SELECT s.*, g.land AS ground, coalesce(city.merged_into, s.city) AS city_code,
           row_number() OVER (PARTITION BY s.slot ORDER BY s.nature, s.cents,
               s.surface DESC NULLS LAST, s.rooms DESC NULLS LAST, s.number, s.suffix, s.street, g.land,
               s.postal, s.city, s.latitude, s.longitude, s.is_fictitious, s.units) AS place
    FROM sold s LEFT JOIN ground g ON g.mutation = s.mutation JOIN city ON city.code = s.city
), keyed AS MATERIALIZED (
    -- More than one of a kind in a slot: the first has its id, the others one that follows from it.
    SELECT *, CASE WHEN place = 1 THEN slot ELSE sale_id(slot, place) END AS id,
           durable_id(CASE WHEN number IS NULL OR street_key IS NULL THEN 'parcel|' || parcel
                           ELSE city_code || '|' || number || coalesce(suffix, '') || '|' || street_key END
                      || CASE WHEN kind = 2 THEN '|' || lots ELSE '' END) AS address_key,
           nature NOT IN ('exchange', 'expropriation') AND units = 1 AND cents > $1
               AND (cents >= $2 OR unit = 0) AS has_price
    FROM numbered
)
SELECT id, CASE WHEN units = 1 THEN id ELSE first END AS mutation_id, city_code, postal AS postal_code,
       concat_ws(' ', number, suffix, street) AS address_raw, address_key, sold AS sale_date,
       CASE WHEN kind = 1 THEN 'house' WHEN kind = 2 THEN 'apartment' WHEN kind = 4 THEN 'commercial'
            WHEN kind = 0 AND lots = '' AND land > 0 AND nature <> 'vefa' THEN 'land'
            ELSE 'other' END AS property_type,
       surface, ground AS land_surface, rooms, CASE WHEN has_price THEN cents END AS price_cents,
       cents AS mutation_price_cents, nature,
       CASE WHEN has_price AND nature <> 'vefa' AND NOT is_fictitious THEN '{}' ELSE array_remove(ARRAY[
           CASE WHEN nature IN ('exchange', 'expropriation', 'vefa') THEN nature END,
           CASE WHEN units > 1 THEN 'several_units' END,
           CASE WHEN coalesce(cents, 0) = 0 THEN 'no_price'
                WHEN cents <= $1 OR (cents < $2 AND unit <> 0) THEN 'symbolic_price' END,
           CASE WHEN is_fictitious THEN 'fictitious_number' END], NULL) END AS flags,
       parcel, lots, latitude, longitude
FROM keyed LEFT JOIN (
    SELECT mutation, min(id::text)::uuid AS first FROM keyed WHERE units > 1 GROUP BY mutation
) several USING (mutation)"""

_FACTS = [
    "mutation_id",
    "city_code",
    "postal_code",
    "address_raw",
    "address_key",
    "sale_date",
    "property_type",
    "surface",
    "land_surface",
    "rooms",
    "price_cents",
    "mutation_price_cents",
    "nature",
    "flags",
    "parcel",
    "lots",
    "latitude",
    "longitude",
]
#: What one format of the data has and another has not: a file without them takes nothing away.
_KEPT = ("latitude", "longitude", "postal_code")
_VALUES = {
    name: f"coalesce(excluded.{name}, s.{name})" if name in _KEPT else f"excluded.{name}" for name in _FACTS
}

_MERGE = f"""
WITH merged AS (
    INSERT INTO sale AS s (id, {", ".join(_FACTS)}, source, source_year)
    SELECT id, {", ".join(_FACTS)}, $1, extract(year FROM sale_date)::smallint FROM dvf_unit
    ORDER BY city_code, property_type, sale_date
    ON CONFLICT (id) DO UPDATE SET {", ".join(f"{name} = {value}" for name, value in _VALUES.items())},
        source = excluded.source, updated_at = now()
        WHERE ({", ".join(f"s.{name}" for name in _FACTS)}) IS DISTINCT FROM ({", ".join(_VALUES.values())})
    RETURNING address_key, city_code, (xmax = 0) AS is_new
), touched AS (
    INSERT INTO dvf_touched SELECT address_key, city_code FROM merged
)
SELECT count(*) FILTER (WHERE is_new) AS new, count(*) FILTER (WHERE NOT is_new) AS changed FROM merged"""

# Sales whose address is corrected leave others of the old address behind.
_MOVED = """
INSERT INTO dvf_touched
SELECT s.address_key, s.city_code FROM dvf_unit u JOIN sale s ON s.id = u.id
WHERE (s.address_key, s.city_code) IS DISTINCT FROM (u.address_key, u.city_code)"""

# A client is shown an address once, by its latest sale; of two on one day the dearer one.
_LATEST = """
UPDATE sale s SET is_latest = r.is_latest FROM (
    SELECT id, row_number() OVER (PARTITION BY address_key ORDER BY sale_date DESC,
                                  coalesce(price_cents, mutation_price_cents) DESC NULLS LAST, id) = 1
               AS is_latest
    FROM sale JOIN (
        SELECT address_key, city_code FROM sale
        JOIN (SELECT DISTINCT address_key, city_code FROM dvf_touched) t USING (address_key, city_code)
        GROUP BY address_key, city_code HAVING count(*) > 1 OR NOT bool_and(is_latest)
    ) sold_again USING (address_key, city_code)) r
WHERE r.id = s.id AND s.is_latest <> r.is_latest"""

# A mutation is told by the unit whose id it bears.
_COUNTS = """
SELECT count(*) AS units, count(*) FILTER (WHERE property_type IN ('house', 'apartment')) AS dwellings,
       count(*) FILTER (WHERE id = mutation_id) AS mutations,
       coalesce(sum(mutation_price_cents) FILTER (WHERE id = mutation_id), 0)::bigint AS total_cents
FROM dvf_unit"""


async def try_lock(tx: Tx) -> bool:
    """Make this transaction the installation's only import; False when there is one: two could deadlock."""
    return bool(await tx.fetchval("SELECT pg_try_advisory_xact_lock(hashtextextended('sales import', 0))"))


async def open_staging(tx: Tx) -> None:
    """The temporary table of this transaction that the rows of one file go into."""
    await tx.execute(_OPEN)


async def stage(tx: Tx, parts: Sequence[bytes]) -> None:
    """Add COPY text to the staged rows."""

    async def source() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    await tx.copy_csv("dvf_row", source(), COLUMNS)


async def merge(tx: Tx, source: str) -> dict[str, int]:
    """The staged rows into the sales; empties the stage. Mutations must be complete, communes known.

    Counts: mutations, units, dwellings, new, changed, unchanged, total_cents (each mutation once).
    """
    await tx.execute("ANALYZE dvf_row (deal, mutation, unit, part)")
    # Temporary tables have few statistics; a nested loop over them, chosen by mistake, would take hours.
    await tx.execute("SET LOCAL enable_nestloop = off")
    await tx.execute(_JOIN_COMMUNES)
    await tx.execute(_UNITS.replace("$1", str(NOMINAL_CENTS)).replace("$2", str(SYMBOLIC_CENTS)))
    await tx.execute("SET LOCAL enable_nestloop = on")
    counts = dict(_known(await tx.fetchrow(_COUNTS)))
    # Looked up one by one: the table of sales may be a hundred times as long as what is merged.
    await tx.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
    await tx.execute(_MOVED)
    await tx.execute("SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on")
    counts |= dict(_known(await tx.fetchrow(_MERGE, source)))
    counts["unchanged"] = counts["units"] - counts["new"] - counts["changed"]
    await tx.execute("DROP TABLE dvf_unit; TRUNCATE dvf_row")
    return counts


async def mark_latest(tx: Tx) -> None:
    """Set right which sales of the addresses merged so far are the latest; once after a file's merges."""
    touched = await tx.fetchval("SELECT count(*) FROM dvf_touched")
    if touched >= _MANY_ROWS:
        await tx.execute("SELECT refresh_sale_statistics()")
    if touched:
        await tx.execute("ANALYZE dvf_touched")
        await tx.execute(_LATEST)
        await tx.execute("TRUNCATE dvf_touched")


def _known(row: Any) -> Mapping[str, int]:
    assert row is not None, "an aggregate has a row"
    found: Mapping[str, int] = row
    return found
