-- Property sales. Open data, the same for every tenant: no tenant_id, see docs/adr/0015. Rows are never deleted
-- by an import: the official file only holds the last five years.
--
-- A row is one sold unit: a dwelling, a commercial unit, or else the whole of a mutation (land, a garage alone, a
-- flat not built yet). Clients are assigned rows with `is_latest`:
--   SELECT … FROM sale WHERE is_latest AND city_code = ANY ($1) AND property_type = ANY ($2)
--                        AND sale_date BETWEEN $3 AND $4
-- is served by `sale_eligible` without touching the table. `city_code` holds arrondissements, so codes of chosen
-- cities are expanded first (property_service.places.repository.sale_codes).

-- Ids of sales begin with the code of the parcel's commune, which is hexadecimal; the rest is a hash of what makes it
-- this sale. Ids of a commune lie side by side, which keeps imports of whole years in few pages of the indexes. This is
-- the id of the p_place-th sale of one kind, day, parcel and lots, from the first one's.
CREATE FUNCTION sale_id(p_first uuid, p_place bigint) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT overlay(overlay(left(p_first::text, 5) || left(md5(p_first::text || '|' || p_place), 27)
                           PLACING '8' FROM 13 FOR 1) PLACING '8' FROM 17 FOR 1)::uuid
$$;

CREATE TABLE sale (
    -- Follows from date, parcel, lots and kind: the same in every release and format of the data.
    id                   uuid NOT NULL PRIMARY KEY,
    -- Shared by the units sold together; the id of one of them.
    mutation_id          uuid NOT NULL,
    -- INSEE code of a row of `city`. The merge sees to that; a foreign key would double the time of an import.
    city_code            text COLLATE "C" NOT NULL,
    postal_code          text,
    -- Upper case without accents, punctuation as spaces: '13 B RUE GEN LOGEROT'.
    address_raw          text NOT NULL,
    -- One address, a flat's with its lot, whatever the spelling: what is assigned once to a client.
    address_key          uuid NOT NULL,
    sale_date            date NOT NULL,
    property_type        text NOT NULL
                         CHECK (property_type IN ('house', 'apartment', 'land', 'commercial', 'other')),
    -- Square metres, fiscal; of the building and of the land.
    surface              integer CHECK (surface > 0),
    land_surface         integer CHECK (land_surface > 0),
    rooms                integer CHECK (rooms > 0),
    -- Euro cents. Null when it cannot be told for this unit alone, or is no market price: see `flags`.
    price_cents          bigint CHECK (price_cents > 0),
    -- Euro cents paid for the whole mutation, as published. Sum it once a mutation_id.
    mutation_price_cents bigint CHECK (mutation_price_cents >= 0),
    nature               text NOT NULL CHECK (nature IN
                         ('sale', 'vefa', 'building_land', 'auction', 'expropriation', 'exchange')),
    -- Among: several_units, no_price, symbolic_price, exchange, expropriation, vefa, fictitious_number.
    flags                text[] NOT NULL DEFAULT '{}',
    parcel               text NOT NULL,
    lots                 text NOT NULL DEFAULT '',
    latitude             double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude            double precision CHECK (longitude BETWEEN -180 AND 180),
    -- Cell of a grid of 0.02 degrees, by rows from the south-west; a radius is a few ranges of it.
    geo_cell             integer GENERATED ALWAYS AS
                         ((floor((latitude + 90) * 50) * 18000 + floor((longitude + 180) * 50))::integer) STORED,
    -- Whether no later sale of the same address is known.
    is_latest            boolean NOT NULL DEFAULT true,
    -- What the row was read from, and the year of the data.
    source               text NOT NULL,
    source_year          smallint NOT NULL,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sale_eligible ON sale (city_code, property_type, sale_date) INCLUDE (id, address_key) WHERE is_latest;
CREATE INDEX sale_city ON sale (city_code, sale_date, id);
CREATE INDEX sale_address ON sale (city_code, address_key);
CREATE INDEX sale_place ON sale (geo_cell) WHERE geo_cell IS NOT NULL;
SELECT enable_system_table('sale');
