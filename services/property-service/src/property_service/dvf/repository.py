"""SQL of the merge: staged rows to mutations, mutations to sold units, units into the table of sales."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from property_service.dvf.rows import COLUMNS
from shared.database import Tx

#: Below this a dwelling or shop was not sold at a market price (euro cents).
SYMBOLIC_CENTS = 100_000
#: Up to this no price is one, not even of a strip of land.
NOMINAL_CENTS = 100

_OPEN = """
SET LOCAL work_mem = '128MB';
SET LOCAL temp_buffers = '64MB';
SET LOCAL statement_timeout = '30min';
SET LOCAL jit = off;
CREATE TEMPORARY TABLE dvf_row (
    deal bigint NOT NULL, mutation bigint NOT NULL, sold date NOT NULL, nature text NOT NULL, cents bigint,
    kind smallint NOT NULL, city text COLLATE "C" NOT NULL, parcel text COLLATE "C" NOT NULL,
    lots text COLLATE "C" NOT NULL, number integer, suffix text COLLATE "C", is_fictitious boolean NOT NULL,
    street text COLLATE "C", street_key text COLLATE "C", postal text COLLATE "C", surface integer,
    rooms integer, part text COLLATE "C", land integer, latitude double precision, longitude double precision
) ON COMMIT DROP"""

# Communes of one deal belong together unless several of them have buildings: then they are several deals that
# happen to have the same day and price. Communes with land alone follow the first commune with buildings.
_JOIN_COMMUNES = """
WITH several AS (
    SELECT deal FROM dvf_row GROUP BY deal HAVING min(mutation) <> max(mutation)
), commune AS (
    SELECT deal, mutation, max(CASE WHEN kind IN (1, 2, 4) THEN 2 WHEN kind = 3 OR lots <> '' THEN 1 ELSE 0 END) AS level
    FROM dvf_row JOIN several USING (deal) GROUP BY deal, mutation
), ranked AS (
    SELECT *, max(level) OVER (PARTITION BY deal) AS top FROM commune
), target AS (
    SELECT mutation, CASE WHEN top > 0 AND level = top THEN mutation
               ELSE min(mutation) FILTER (WHERE level = top) OVER (PARTITION BY deal) END AS target
    FROM ranked
)
UPDATE dvf_row r SET mutation = t.target FROM target t WHERE r.mutation = t.mutation AND t.target <> t.mutation"""

# One row a unit. A unit's rows repeat for each kind of land use, so rows that differ in that alone are one unit;
# rows alike in everything are as many units. What is left without units is one row, the most telling of its rows.
_UNITS = """
CREATE TEMPORARY TABLE dvf_unit ON COMMIT DROP AS
WITH alike AS (
    SELECT mutation, sold, nature, cents, kind, city, parcel, lots, number, suffix, is_fictitious, street, street_key,
           postal, surface, rooms, part, latitude, longitude, count(*) AS times
    FROM dvf_row WHERE kind IN (1, 2, 4)
    GROUP BY mutation, sold, nature, cents, kind, city, parcel, lots, number, suffix, is_fictitious, street,
             street_key, postal, surface, rooms, part, latitude, longitude
), unit AS (
    SELECT mutation, sold, nature, cents, kind, city, parcel, lots, number, suffix, is_fictitious, street, street_key,
           postal, surface, rooms, latitude, longitude, max(times) AS times
    FROM alike
    GROUP BY mutation, sold, nature, cents, kind, city, parcel, lots, number, suffix, is_fictitious, street,
             street_key, postal, surface, rooms, latitude, longitude
), rest AS (
    SELECT DISTINCT ON (mutation) mutation, sold, nature, cents, kind, city, parcel, lots, number, suffix, is_fictitious,
           street, street_key, postal, surface, rooms, latitude, longitude, land
    FROM dvf_row r WHERE NOT EXISTS (SELECT FROM unit u WHERE u.mutation = r.mutation)
    ORDER BY mutation, kind DESC, lots <> '' DESC, land DESC NULLS LAST, parcel, lots, number, suffix, street, postal, part,
             latitude, longitude
), land AS (
    SELECT mutation, least(sum(land), 2000000000)::integer AS land
    FROM (SELECT DISTINCT mutation, parcel, part, land FROM dvf_row WHERE land > 0) parts GROUP BY mutation
), sold AS (
    SELECT mutation, sold, nature, cents, kind, city, parcel, lots, number, suffix, is_fictitious, street, street_key,
           postal, surface, rooms, latitude, longitude,
           CASE kind WHEN 1 THEN 'house' WHEN 2 THEN 'apartment' ELSE 'commercial' END AS property_type
    FROM unit CROSS JOIN generate_series(1, times)
    UNION ALL
    SELECT mutation, sold, nature, cents, kind, city, parcel, lots, number, suffix, is_fictitious, street, street_key,
           postal, surface, rooms, latitude, longitude,
           CASE WHEN kind = 0 AND lots = '' AND land > 0 AND nature <> 'vefa' THEN 'land' ELSE 'other' END
    FROM rest
), counted AS (
    SELECT s.*, land.land, coalesce(city.merged_into, s.city) AS city_code, count(*) OVER (PARTITION BY mutation) AS units,
           row_number() OVER (PARTITION BY sold, parcel, lots, kind ORDER BY nature, cents, surface DESC NULLS LAST,
               rooms DESC NULLS LAST, number, suffix, street_key, s.street, s.mutation) AS place
    FROM sold s LEFT JOIN land USING (mutation) JOIN city ON city.code = s.city
), keyed AS (
    SELECT *, durable_id('sale|' || sold || '|' || parcel || '|' || lots || '|' || kind || '|' || place) AS id,
           durable_id(CASE WHEN number IS NULL OR street_key IS NULL THEN 'parcel|' || parcel
                           ELSE city_code || '|' || number || coalesce(suffix, '') || '|' || street_key END
                      || CASE WHEN kind = 2 THEN '|' || lots ELSE '' END) AS address_key,
           concat_ws(' ', number, suffix, street) AS address_raw,
           ARRAY(SELECT flag FROM (VALUES
               (nature = 'exchange', 'exchange'), (nature = 'expropriation', 'expropriation'), (nature = 'vefa', 'vefa'),
               (units > 1, 'several_units'), (coalesce(cents, 0) = 0, 'no_price'),
               (cents BETWEEN 1 AND $1::bigint OR (cents BETWEEN 1 AND $2::bigint - 1 AND kind IN (1, 2, 4)),
                'symbolic_price'),
               (is_fictitious, 'fictitious_number')) AS f (holds, flag) WHERE holds) AS flags
    FROM counted
)
SELECT id, first_value(id) OVER (PARTITION BY mutation ORDER BY id) AS mutation_id, city_code, postal AS postal_code,
       address_raw, address_key, sold AS sale_date, property_type, surface, land AS land_surface, rooms,
       CASE WHEN flags && ARRAY['exchange', 'expropriation', 'several_units', 'no_price', 'symbolic_price'] THEN NULL
            ELSE cents END AS price_cents,
       cents AS mutation_price_cents, nature, flags, parcel, lots, latitude, longitude
FROM keyed"""

_FACTS = (
    "mutation_id, city_code, postal_code, address_raw, address_key, sale_date, property_type, surface, land_surface,"
    " rooms, price_cents, mutation_price_cents, nature, flags, parcel, lots, latitude, longitude"
).split(", ")
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
    RETURNING address_key, (xmax = 0) AS is_new
), touched AS (
    INSERT INTO dvf_touched SELECT DISTINCT address_key FROM merged
)
SELECT count(*) FILTER (WHERE is_new) AS new, count(*) FILTER (WHERE NOT is_new) AS changed FROM merged"""

# A client is shown an address once, by its latest sale; of two on one day the dearer one.
_LATEST = """
UPDATE sale s SET is_latest = r.is_latest FROM (
    SELECT id, row_number() OVER (PARTITION BY address_key ORDER BY sale_date DESC,
                                  coalesce(price_cents, mutation_price_cents) DESC NULLS LAST, id) = 1 AS is_latest
    FROM sale JOIN dvf_touched USING (address_key)) r
WHERE r.id = s.id AND s.is_latest <> r.is_latest"""

_COUNTS = """
SELECT (SELECT count(*) FROM dvf_unit) AS units,
       (SELECT count(*) FROM dvf_unit WHERE property_type IN ('house', 'apartment')) AS dwellings,
       count(*) AS mutations, coalesce(sum(cents), 0)::bigint AS total_cents,
       coalesce(sum(cents * rows), 0)::bigint AS naive_cents
FROM (SELECT mutation, min(cents) AS cents, count(*) AS rows FROM dvf_row GROUP BY mutation) m"""


async def try_lock(tx: Tx) -> bool:
    """Make this transaction the installation's only import; False when there is one: two could block each other."""
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
    """The staged rows of one file into the sales; empties the stage. The communes must be known.

    Counts: mutations, units, dwellings, new, changed, unchanged, total_cents (each mutation once) and
    naive_cents (each row).
    """
    await tx.execute("ANALYZE dvf_row (deal, mutation, kind)")
    # Temporary tables have few statistics; a nested loop over them, chosen by mistake, would take hours.
    await tx.execute("SET LOCAL enable_nestloop = off")
    await tx.execute(_JOIN_COMMUNES)
    await tx.execute(_UNITS.replace("$1", str(NOMINAL_CENTS)).replace("$2", str(SYMBOLIC_CENTS)))
    await tx.execute("CREATE TEMPORARY TABLE dvf_touched (address_key uuid NOT NULL) ON COMMIT DROP")
    await tx.execute("SET LOCAL enable_nestloop = on")
    counts = dict(_known(await tx.fetchrow(_COUNTS)))
    counts |= dict(_known(await tx.fetchrow(_MERGE, source)))
    counts["unchanged"] = counts["units"] - counts["new"] - counts["changed"]
    await tx.execute("ANALYZE dvf_touched")
    await tx.execute(_LATEST)
    await tx.execute("DROP TABLE dvf_unit, dvf_touched; TRUNCATE dvf_row")
    return counts


def _known(row: Any) -> Mapping[str, int]:
    assert row is not None, "an aggregate has a row"
    found: Mapping[str, int] = row
    return found
