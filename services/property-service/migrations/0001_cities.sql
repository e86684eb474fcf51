-- French communes. Open data, the same for every tenant: no tenant_id, see docs/adr/0015.

-- A uuid that is the same for the same text on every machine and in every run (version 8, the hash is MD5).
CREATE FUNCTION durable_id(p_text text) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT overlay(overlay(md5(p_text) PLACING '8' FROM 13 FOR 1) PLACING '8' FROM 17 FOR 1)::uuid
$$;

CREATE TABLE city (
    -- INSEE code, five characters; Corsica has letters (2A004).
    code           text COLLATE "C" NOT NULL PRIMARY KEY CHECK (code ~ '^[0-9][0-9AB][0-9]{3}$'),
    -- What clients choose; follows from the code.
    id             uuid NOT NULL GENERATED ALWAYS AS (durable_id('city|' || code)) STORED UNIQUE,
    name           text NOT NULL,
    -- Normalised names, today's and former ones, each behind a bar: '|ST GENIS POUILLY|MOENS'.
    search_key     text COLLATE "C" NOT NULL,
    postal_codes   text[] NOT NULL DEFAULT '{}',
    department     text NOT NULL,
    region         text,
    -- The city an arrondissement of Paris, Lyon or Marseille belongs to. Sales carry the arrondissement.
    parent_code    text COLLATE "C" REFERENCES city (code),
    -- The commune this former one is part of today. Sales carry today's.
    merged_into    text COLLATE "C" REFERENCES city (code),
    latitude       double precision,
    longitude      double precision,
    -- Where the row comes from: 'laposte', or 'sales' for a commune first seen in a file of sales.
    source         text NOT NULL,
    -- When a property source was last asked for this city's sales; null for never.
    refreshed_at   timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX city_parent ON city (parent_code) WHERE parent_code IS NOT NULL;
CREATE INDEX city_merged ON city (merged_into) WHERE merged_into IS NOT NULL;
SELECT enable_system_table('city');
