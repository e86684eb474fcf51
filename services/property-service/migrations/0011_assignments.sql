-- Which addresses a client got, and how they were drawn.

CREATE TABLE assignment_draw (
    tenant_id     uuid NOT NULL,
    id            uuid NOT NULL,
    client_id     uuid NOT NULL,
    -- What the draw is for, such as '2026-11'; there is one draw for a client and period. NULL: an extra one.
    period        text,
    drawn_on      date NOT NULL,                    -- the day from which the age of sales is counted
    oldest        date NOT NULL,                    -- of the sales that could be drawn, both included
    newest        date NOT NULL,
    seed          bigint NOT NULL,
    requested     integer NOT NULL CHECK (requested >= 0),
    eligible      integer NOT NULL CHECK (eligible >= 0),
    assigned      integer NOT NULL CHECK (assigned BETWEEN 0 AND requested),
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, client_id) REFERENCES client (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX assignment_draw_period ON assignment_draw (tenant_id, client_id, period);
SELECT enable_tenant_rls('assignment_draw');

CREATE TABLE assignment (
    tenant_id     uuid NOT NULL,
    client_id     uuid NOT NULL,
    sale_id       uuid NOT NULL REFERENCES sale (id),
    -- The sale's, as it was then: an address is never given to a client twice, under whatever sale.
    address_key   uuid NOT NULL,
    draw_id       uuid NOT NULL,
    place         integer NOT NULL,                 -- in the draw, from 1
    send_date     timestamptz NOT NULL,
    status        text NOT NULL DEFAULT 'new'
                  CHECK (status IN ('new', 'contacted', 'meeting', 'negotiation', 'sold', 'mandate')),
    notes         text,
    details       jsonb NOT NULL DEFAULT '{}',      -- what else the client noted: assignments.schemas.Details
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, client_id, sale_id),
    UNIQUE (tenant_id, client_id, address_key),
    FOREIGN KEY (tenant_id, client_id) REFERENCES client (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, draw_id) REFERENCES assignment_draw (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX assignment_of_draw ON assignment (tenant_id, draw_id);
SELECT enable_tenant_rls('assignment');

-- Rows ordered by this come in the order of successive draws without replacement, each with a chance in proportion
-- to its weight (Efraimidis and Spirakis 2006). u = (53 bits of the hash + 1/2) / 2^53 is never 0 and follows from id
-- and seed: the same seed draws the same.
CREATE FUNCTION draw_key(p_id uuid, p_seed bigint, p_weight bigint) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT -ln(((uuid_hash_extended(p_id, p_seed) & 9007199254740991)::double precision + 0.5)
               / 9007199254740992::double precision) / p_weight
$$;

-- Draws up to p_count of the sales that a client may get, in the order drawn; `eligible` is how many those are.
-- Left out are addresses that the client has, under whatever sale. Of n sales on n days the oldest has the weight n,
-- the newest 1; sales of one day share the mean of theirs, so that nothing but age counts. Weights are doubled here,
-- which keeps means whole and chances the same. Ranks come from the days, of which there are few: sorting all sales
-- would take longest.
CREATE FUNCTION pick_sales(
    p_tenant uuid, p_client uuid, p_codes text[], p_types text[], p_oldest date, p_newest date, p_count int,
    p_seed bigint)
RETURNS TABLE (place bigint, sale_id uuid, address_key uuid, eligible bigint) LANGUAGE sql STABLE AS $$
    WITH candidate AS MATERIALIZED (
        SELECT s.id, s.address_key, s.sale_date FROM sale s
        WHERE s.is_latest AND s.city_code = ANY (p_codes) AND s.property_type = ANY (p_types)
          AND s.sale_date BETWEEN p_oldest AND p_newest
          AND NOT EXISTS (SELECT FROM assignment a WHERE a.tenant_id = p_tenant AND a.client_id = p_client
                                                     AND a.address_key = s.address_key)
          AND NOT EXISTS (SELECT FROM assignment a WHERE a.tenant_id = p_tenant AND a.client_id = p_client
                                                     AND a.sale_id = s.id)
    ), day AS (
        SELECT sale_date, sum(count(*)) OVER () AS eligible,
               2 * sum(count(*)) OVER (ORDER BY sale_date DESC) - count(*) + 1 AS weight
        FROM candidate GROUP BY sale_date
    ), picked AS (
        SELECT c.id, c.address_key, d.eligible::bigint AS eligible, draw_key(c.id, p_seed, d.weight::bigint) AS key
        FROM candidate c JOIN day d USING (sale_date) ORDER BY key, c.id LIMIT p_count
    )
    SELECT row_number() OVER (ORDER BY key, id), id, address_key, eligible FROM picked
$$;

-- Gives a client up to p_count addresses, and records the draw, which is the answer. For a period that was drawn
-- already it is that draw, and nothing is given; there is none for a client who is gone. Draws for one client go one
-- after the other: the lock makes the statements behind it see what the draw before gave.
CREATE FUNCTION assign_sales(
    p_tenant uuid, p_client uuid, p_draw uuid, p_codes text[], p_types text[], p_oldest date, p_newest date,
    p_count int, p_seed bigint, p_period text, p_drawn_on date, p_now timestamptz)
RETURNS SETOF assignment_draw LANGUAGE plpgsql
-- The plan follows from the size of the cities, and compiling it takes longer than it saves. A planner with old
-- figures must not compare every sale with every day, or with every assignment.
SET plan_cache_mode = force_custom_plan SET jit = off SET enable_nestloop = off
AS $$
BEGIN
    PERFORM FROM client c WHERE c.tenant_id = p_tenant AND c.id = p_client AND c.deleted_at IS NULL
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM assignment_draw d
    WHERE d.tenant_id = p_tenant AND d.client_id = p_client AND d.period = p_period;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH picked AS MATERIALIZED (
        SELECT * FROM pick_sales(p_tenant, p_client, p_codes, p_types, p_oldest, p_newest, p_count, p_seed)
    ), given AS (
        INSERT INTO assignment (tenant_id, client_id, sale_id, address_key, draw_id, place, send_date, updated_at)
        SELECT p_tenant, p_client, p.sale_id, p.address_key, p_draw, p.place, p_now, p_now FROM picked p
        ON CONFLICT DO NOTHING RETURNING 1
    )
    INSERT INTO assignment_draw (tenant_id, id, client_id, period, drawn_on, oldest, newest, seed, requested,
                                 eligible, assigned, created_at)
    SELECT p_tenant, p_draw, p_client, p_period, p_drawn_on, p_oldest, p_newest, p_seed, p_count,
           coalesce((SELECT max(p.eligible) FROM picked p), 0), (SELECT count(*) FROM given), p_now
    RETURNING *;
END $$;
