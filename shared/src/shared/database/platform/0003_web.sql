-- What every service's HTTP side keeps: idempotency keys, cached values, rate counters.

-- A row without status is a request in progress; it is written in the request's own transaction.
CREATE TABLE idempotency_key (
    tenant_id    uuid NOT NULL,
    key          text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    route        text NOT NULL,                     -- method and path template
    fingerprint  text NOT NULL,                     -- digest of caller, path and payload
    status       int,
    body         text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL DEFAULT now() + interval '24 hours',
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotency_key_retention ON idempotency_key (expires_at);

SELECT enable_tenant_rls('idempotency_key');

-- UNLOGGED: a crash of the server empties it, which a cache must survive.
CREATE UNLOGGED TABLE cache_entry (
    key         text COLLATE "C" PRIMARY KEY,
    value       text NOT NULL,
    expires_at  timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX cache_entry_expiry ON cache_entry (expires_at);

SELECT enable_system_table('cache_entry');

-- Sliding window: the hits of this window and of the one before. Keys are chosen by the caller
-- ("key:<id>", "login:<digest>") and hold no tenant data.
CREATE UNLOGGED TABLE rate_counter (
    key             text COLLATE "C" PRIMARY KEY,
    window_seconds  int NOT NULL,
    window_start    timestamptz NOT NULL,
    hits            int NOT NULL,
    previous_hits   int NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX rate_counter_retention ON rate_counter (window_start);

SELECT enable_system_table('rate_counter');

-- Counts `p_cost` against `p_limit` per window, or refuses and counts nothing. One round trip, right across
-- processes because the row is locked. The hits of the previous window fade out linearly.
--   allowed        whether this hit counts
--   remaining      whole hits left now
--   reset_seconds  until this window ends
--   retry_seconds  0 when allowed, else until the same hit can be allowed
CREATE FUNCTION rate_take(
    p_key text, p_limit int, p_window_seconds int, p_cost int DEFAULT 1, p_now timestamptz DEFAULT clock_timestamp(),
    OUT allowed boolean, OUT remaining int, OUT reset_seconds double precision, OUT retry_seconds double precision
) LANGUAGE plpgsql AS $$
DECLARE
    this_start  timestamptz := to_timestamp(floor(extract(epoch FROM p_now) / p_window_seconds) * p_window_seconds);
    passed      double precision;
    weight      double precision;
    used        double precision;
    counter     rate_counter%ROWTYPE;
BEGIN
    INSERT INTO rate_counter AS c VALUES (p_key, p_window_seconds, this_start, 0, 0)
    ON CONFLICT (key) DO UPDATE SET
        previous_hits = CASE
            WHEN c.window_seconds <> excluded.window_seconds THEN 0
            WHEN c.window_start >= excluded.window_start THEN c.previous_hits
            WHEN c.window_start = excluded.window_start - make_interval(secs => p_window_seconds) THEN c.hits
            ELSE 0 END,
        hits = CASE WHEN c.window_seconds = excluded.window_seconds AND c.window_start >= excluded.window_start
                    THEN c.hits ELSE 0 END,
        window_start = CASE WHEN c.window_seconds = excluded.window_seconds
                            THEN greatest(c.window_start, excluded.window_start) ELSE excluded.window_start END,
        window_seconds = excluded.window_seconds
    RETURNING c.* INTO counter;

    passed := greatest(extract(epoch FROM p_now - counter.window_start), 0);
    weight := greatest(p_window_seconds - passed, 0) / p_window_seconds;
    used := counter.hits + counter.previous_hits * weight;
    allowed := used + p_cost <= p_limit;
    IF allowed THEN
        UPDATE rate_counter SET hits = hits + p_cost WHERE key = p_key;
        used := used + p_cost;
    END IF;
    remaining := greatest(floor(p_limit - used), 0);
    reset_seconds := greatest(p_window_seconds - passed, 0);
    retry_seconds := CASE
        WHEN allowed THEN 0
        WHEN counter.previous_hits > 0 AND counter.hits + p_cost <= p_limit
            THEN (used + p_cost - p_limit) * p_window_seconds / counter.previous_hits
        ELSE reset_seconds END;
END $$;
