-- Both functions as they were, but for `told`: what a statement has to tell is one row of the outbox, not one a code.

-- Takes `p_count` free codes of a pool to `p_status` (allocated, used or reserved), with their events, in one
-- statement. The order within a pool is random.
--   No rows: the pool has none. SQLSTATE P0002: it has some, but fewer than wanted, and `p_partial` is false;
--   nothing is taken then. A repeat with the same `p_key` gets the same codes as they are now, `is_replay`, and the
--   fingerprint of the first call.
-- Nobody waits for a row: SKIP LOCKED leaves locks on rows that others took just before, so rings of waits would
-- form when a pool runs dry. Batches of a pool go one after the other, so that no two hold what the other needs.
CREATE OR REPLACE FUNCTION allocate_codes(
    p_tenant uuid, p_type text, p_pool text, p_count int, p_status text, p_recipient text, p_reference text,
    p_key text, p_fingerprint text, p_reserved_until timestamptz, p_partial boolean, p_actor text,
    p_request_id text, p_now timestamptz)
RETURNS TABLE (id uuid, code text, status text, allocated_at timestamptz, reserved_until timestamptz,
               expires_at timestamptz, fingerprint text, is_replay boolean)
LANGUAGE plpgsql
-- The index gives the order; a planner with old figures must not sort the pool instead.
SET enable_seqscan = off SET enable_bitmapscan = off
-- One plan fits all calls, and making one takes longer than following it.
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    start   smallint := floor(random() * 1024);
    give_up timestamptz := clock_timestamp() + interval '5 seconds';
    taken   uuid[] := '{}';
    stored  allocation%ROWTYPE;
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant::text, true);
    IF p_key IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(format('allocate|%s|%s', p_tenant, p_key), 0));
        SELECT * INTO stored FROM allocation a WHERE a.tenant_id = p_tenant AND a.key = p_key;
        IF FOUND THEN
            RETURN QUERY
                SELECT c.id, c.code, c.status, c.allocated_at, c.reserved_until, c.expires_at,
                       stored.fingerprint, true
                FROM unnest(stored.code_ids) WITH ORDINALITY AS s(code_id, place)
                JOIN code c ON c.tenant_id = p_tenant AND c.id = s.code_id ORDER BY s.place;
            RETURN;
        END IF;
    END IF;
    IF p_count > 1 THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(format('batch|%s|%s|%s', p_tenant, p_type, p_pool), 0));
    END IF;

    LOOP
        taken := taken || ARRAY(
            SELECT c.id FROM code c
            WHERE c.tenant_id = p_tenant AND c.type = p_type AND c.pool = p_pool AND c.status = 'available'
              AND c.shard >= start AND (c.expires_at IS NULL OR c.expires_at > p_now) AND c.id <> ALL (taken)
            ORDER BY c.shard, c.id LIMIT p_count - cardinality(taken) FOR UPDATE SKIP LOCKED);
        EXIT WHEN cardinality(taken) >= p_count;
        taken := taken || ARRAY(
            SELECT c.id FROM code c
            WHERE c.tenant_id = p_tenant AND c.type = p_type AND c.pool = p_pool AND c.status = 'available'
              AND c.shard < start AND (c.expires_at IS NULL OR c.expires_at > p_now) AND c.id <> ALL (taken)
            ORDER BY c.shard, c.id LIMIT p_count - cardinality(taken) FOR UPDATE SKIP LOCKED);
        EXIT WHEN cardinality(taken) >= p_count;
        -- Codes that others hold may come free again: only when there are none either is the pool empty.
        EXIT WHEN NOT EXISTS (
            SELECT 1 FROM code c
            WHERE c.tenant_id = p_tenant AND c.type = p_type AND c.pool = p_pool AND c.status = 'available'
              AND (c.expires_at IS NULL OR c.expires_at > p_now) AND c.id <> ALL (taken));
        IF clock_timestamp() > give_up THEN
            RAISE EXCEPTION 'others hold the last codes' USING ERRCODE = '55P03';
        END IF;
        PERFORM pg_sleep(0.005);
    END LOOP;
    IF cardinality(taken) = 0 THEN
        RETURN;
    END IF;
    IF cardinality(taken) < p_count AND NOT p_partial THEN
        RAISE EXCEPTION 'only % codes are left', cardinality(taken) USING ERRCODE = 'P0002';
    END IF;

    IF p_key IS NOT NULL THEN
        INSERT INTO allocation (tenant_id, key, fingerprint, code_ids, created_at)
        VALUES (p_tenant, p_key, p_fingerprint, taken, p_now);
    END IF;
    RETURN QUERY
    WITH changed AS (
        UPDATE code c SET status = p_status, recipient = p_recipient, reference = p_reference,
               allocated_at = p_now, reserved_until = p_reserved_until,
               used_at = CASE WHEN p_status = 'used' THEN p_now END, updated_at = p_now
        WHERE c.tenant_id = p_tenant AND c.id = ANY (taken)
        RETURNING c.id, c.code, c.type, c.expires_at
    ), step (place, action, from_status, to_status) AS (
        SELECT 0, CASE p_status WHEN 'reserved' THEN 'reserve' ELSE 'allocate' END, 'available',
               CASE p_status WHEN 'used' THEN 'allocated' ELSE p_status END
        UNION ALL
        SELECT 1, 'mark_used', 'allocated', 'used' WHERE p_status = 'used'
    ), noted AS (
        INSERT INTO code_event
               (tenant_id, code_id, action, from_status, to_status, actor, reference, request_id, at)
        SELECT p_tenant, h.id, s.action, s.from_status, s.to_status, p_actor, p_reference, p_request_id, p_now
        FROM changed h CROSS JOIN step s
    ), told AS (
        INSERT INTO outbox (id, tenant_id, source, occurred_at, data, pack_size)
        SELECT event_id(), p_tenant, '/code-service', p_now,
               json_agg(json_build_object(
                   'type', 'code.code.' || s.to_status || '.v1', 'subject', h.id,
                   'correlation_id', p_request_id,
                   'data', json_build_object(
                       'code_id', h.id, 'code', h.code, 'type', h.type, 'occurred_at', p_now,
                       'actor_id', p_actor, 'reference', p_reference)) ORDER BY s.place),
               count(*)
        FROM changed h CROSS JOIN step s WHERE s.to_status <> 'reserved' HAVING count(*) > 0
    )
    SELECT h.id, h.code, p_status, p_now, p_reserved_until, h.expires_at, p_fingerprint, false
    FROM unnest(taken) WITH ORDINALITY AS t(code_id, place) JOIN changed h ON h.id = t.code_id ORDER BY t.place;
END $$;

-- One code of a pool for each place of the arrays, with its events. The order within the pool is random.
--   outcome 'given': the code. 'replay': the code that an earlier call with this key got, as it is now, with that
--   call's fingerprint. 'empty': there is none. 'busy': others hold the last ones; ask again.
-- No key may come twice in one call. Nobody waits for a row (see allocate_codes), and keys are written in order, so
-- that calls with the same ones do not wait for each other in a ring.
CREATE OR REPLACE FUNCTION allocate_each(
    p_tenant uuid, p_type text, p_pool text, p_now timestamptz, p_status text[], p_recipient text[],
    p_reference text[], p_key text[], p_fingerprint text[], p_reserved_until timestamptz[], p_actor text[],
    p_request_id text[])
RETURNS TABLE (place int, outcome text, id uuid, code text, status text, allocated_at timestamptz,
               reserved_until timestamptz, expires_at timestamptz, fingerprint text)
LANGUAGE plpgsql
-- Each row is found by its key (hence LIMIT 1 below, and scalar queries): a planner with old figures must not read
-- the pool, or all keys, instead.
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
-- One plan fits all calls, and making one takes longer than following it.
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    start    smallint := floor(random() * 1024);
    has_keys boolean := array_length(array_remove(p_key, NULL), 1) > 0;
    places   int[];
    taken    uuid[];
    won      text[];
    missing  int;
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant::text, true);
    places := ARRAY(
        SELECT w.place::int FROM unnest(p_key) WITH ORDINALITY AS w(key, place)
        WHERE w.key IS NULL
           OR (SELECT a.created_at FROM allocation a WHERE a.tenant_id = p_tenant AND a.key = w.key) IS NULL
        ORDER BY w.place);
    missing := cardinality(places);

    IF missing > 0 THEN
        taken := ARRAY(
            SELECT c.id FROM code c
            WHERE c.tenant_id = p_tenant AND c.type = p_type AND c.pool = p_pool AND c.status = 'available'
              AND c.shard >= start AND (c.expires_at IS NULL OR c.expires_at > p_now)
            ORDER BY c.shard, c.id LIMIT missing FOR UPDATE SKIP LOCKED);
        IF cardinality(taken) < missing THEN
            taken := taken || ARRAY(
                SELECT c.id FROM code c
                WHERE c.tenant_id = p_tenant AND c.type = p_type AND c.pool = p_pool AND c.status = 'available'
                  AND c.shard < start AND (c.expires_at IS NULL OR c.expires_at > p_now)
                ORDER BY c.shard, c.id LIMIT missing - cardinality(taken) FOR UPDATE SKIP LOCKED);
        END IF;
        missing := missing - cardinality(taken);
    END IF;

    IF has_keys AND cardinality(taken) > 0 THEN
        WITH kept AS (
            INSERT INTO allocation (tenant_id, key, fingerprint, code_ids, created_at)
            SELECT p_tenant, p_key[t.place], p_fingerprint[t.place], ARRAY[t.id], p_now
            FROM unnest(places[:cardinality(taken)], taken) AS t(place, id)
            WHERE p_key[t.place] IS NOT NULL ORDER BY p_key[t.place]
            ON CONFLICT DO NOTHING RETURNING key
        )
        SELECT array_agg(kept.key) INTO won FROM kept;
    END IF;

    IF cardinality(taken) > 0 THEN
        RETURN QUERY
        WITH wish AS (
            SELECT t.place, t.id, p_status[t.place] AS status, p_recipient[t.place] AS recipient,
                   p_reference[t.place] AS reference, p_actor[t.place] AS actor,
                   p_request_id[t.place] AS request_id
            FROM unnest(places[:cardinality(taken)], taken) AS t(place, id)
            WHERE p_key[t.place] IS NULL OR p_key[t.place] = ANY (won)
        ), changed AS (
            UPDATE code c SET status = w.status, recipient = w.recipient, reference = w.reference,
                   allocated_at = p_now, reserved_until = p_reserved_until[w.place],
                   used_at = CASE WHEN w.status = 'used' THEN p_now END, updated_at = p_now
            FROM wish w WHERE c.tenant_id = p_tenant AND c.id = w.id
            RETURNING w.place, c.id, c.code, c.type, c.status, c.reserved_until, c.expires_at, w.reference, w.actor,
                      w.request_id
        ), step (number, action, from_status, to_status, within) AS (
            VALUES (0, 'allocate', 'available', 'allocated', 'allocated'),
                   (0, 'allocate', 'available', 'allocated', 'used'),
                   (1, 'mark_used', 'allocated', 'used', 'used'),
                   (0, 'reserve', 'available', 'reserved', 'reserved')
        ), noted AS (
            INSERT INTO code_event
                   (tenant_id, code_id, action, from_status, to_status, actor, reference, request_id, at)
            SELECT p_tenant, h.id, s.action, s.from_status, s.to_status, h.actor, h.reference, h.request_id, p_now
            FROM changed h JOIN step s ON s.within = h.status ORDER BY h.id, s.number
        ), told AS (
            INSERT INTO outbox (id, tenant_id, source, occurred_at, data, pack_size)
            SELECT event_id(), p_tenant, '/code-service', p_now,
                   json_agg(json_build_object(
                       'type', 'code.code.' || s.to_status || '.v1', 'subject', h.id,
                       'correlation_id', h.request_id,
                       'data', json_build_object(
                           'code_id', h.id, 'code', h.code, 'type', h.type, 'occurred_at', p_now,
                           'actor_id', h.actor, 'reference', h.reference)) ORDER BY s.number),
                   count(*)
            FROM changed h JOIN step s ON s.within = h.status WHERE s.to_status <> 'reserved' HAVING count(*) > 0
        )
        SELECT h.place, 'given', h.id, h.code, h.status, p_now, h.reserved_until, h.expires_at,
               p_fingerprint[h.place]
        FROM changed h;
    END IF;

    IF missing > 0 THEN
        -- Codes that others hold may come free again: only when there are none either is the pool empty.
        RETURN QUERY
        SELECT left_over.place, CASE WHEN held.any THEN 'busy' ELSE 'empty' END, NULL::uuid, NULL::text, NULL::text,
               NULL::timestamptz, NULL::timestamptz, NULL::timestamptz, NULL::text
        FROM unnest(places[coalesce(cardinality(taken), 0) + 1:]) AS left_over(place),
             (SELECT EXISTS (
                 SELECT 1 FROM code c
                 WHERE c.tenant_id = p_tenant AND c.type = p_type AND c.pool = p_pool AND c.status = 'available'
                   AND (c.expires_at IS NULL OR c.expires_at > p_now))) AS held("any");
    END IF;

    IF has_keys THEN
        RETURN QUERY
        SELECT w.place::int, 'replay', c.id, c.code, c.status, c.allocated_at, c.reserved_until, c.expires_at,
               a.fingerprint
        FROM unnest(p_key) WITH ORDINALITY AS w(key, place),
             LATERAL (SELECT * FROM allocation WHERE tenant_id = p_tenant AND key = w.key LIMIT 1) AS a,
             LATERAL (SELECT * FROM code WHERE tenant_id = p_tenant AND id = a.code_ids[1] LIMIT 1) AS c
        WHERE NOT (w.key = ANY (coalesce(won, '{}')));
    END IF;
END $$;
