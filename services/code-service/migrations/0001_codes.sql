-- Codes, what happened to each of them, and allocations by idempotency key.

CREATE TABLE code (
    tenant_id         uuid NOT NULL,
    id                uuid NOT NULL,
    code              text NOT NULL CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    -- What makes two codes the same. Codes are ASCII, so the database's locale does not matter.
    code_norm         text COLLATE "C" GENERATED ALWAYS AS (upper(code)) STORED,
    type              text NOT NULL CHECK (type IN ('discount', 'free_ticket', 'upgrade')),
    pool              text NOT NULL DEFAULT 'default',
    status            text NOT NULL DEFAULT 'available'
                      CHECK (status IN ('available', 'reserved', 'allocated', 'used', 'revoked', 'expired')),
    -- How far the ticket shop knows the code: another axis than what we did with it.
    sync_state        text NOT NULL DEFAULT 'none'
                      CHECK (sync_state IN ('none', 'pending', 'pushing', 'synced', 'failed', 'drift')),
    -- A random place in the pool. Callers begin to look at random places, so that they do not meet.
    shard             smallint NOT NULL DEFAULT floor(random() * 1024),
    batch_id          uuid,
    expires_at        timestamptz,
    limit_per_order   integer CHECK (limit_per_order >= 1),
    limit_per_ticket  integer CHECK (limit_per_ticket >= 1),
    metadata          jsonb NOT NULL DEFAULT '{}',
    recipient         text,
    reference         text,
    allocated_at      timestamptz,
    reserved_until    timestamptz,
    used_at           timestamptz,
    revoked_at        timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, code_norm),
    CHECK ((status = 'reserved') = (reserved_until IS NOT NULL)),
    CHECK ((status = 'used') = (used_at IS NOT NULL)),
    CHECK ((status = 'revoked') = (revoked_at IS NOT NULL))
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX code_free ON code (tenant_id, type, pool, shard, id) WHERE status = 'available';
-- For the sweeper, which looks over all tenants.
CREATE INDEX code_lapsing ON code (reserved_until) WHERE status = 'reserved';
CREATE INDEX code_expiring ON code (expires_at) WHERE status = 'available' AND expires_at IS NOT NULL;
SELECT enable_tenant_rls('code');

CREATE TABLE code_event (
    tenant_id    uuid NOT NULL,
    code_id      uuid NOT NULL,
    id           bigint GENERATED ALWAYS AS IDENTITY,
    action       text NOT NULL,
    from_status  text,
    to_status    text NOT NULL,
    actor        text NOT NULL,
    reason       text,
    reference    text,
    request_id   text,
    at           timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, code_id, id),
    FOREIGN KEY (tenant_id, code_id) REFERENCES code (tenant_id, id)
);
SELECT enable_tenant_rls('code_event');

CREATE TABLE allocation (
    tenant_id    uuid NOT NULL,
    key          text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    fingerprint  text NOT NULL,
    code_ids     uuid[] NOT NULL,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX allocation_retention ON allocation (created_at);
SELECT enable_tenant_rls('allocation');

-- A UUIDv7 of the present, `p_later_ms` on: events of one statement keep their order.
CREATE FUNCTION event_id(p_later_ms int DEFAULT 0) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING substring(int8send(
        floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + p_later_ms) FROM 3) FROM 1 FOR 6),
        52, 1), 53, 1), 'hex')::uuid
$$;

-- Takes `p_count` free codes of a pool to `p_status` (allocated, used or reserved), with their events, in one
-- statement. The order within a pool is random.
--   No rows: the pool has none. SQLSTATE P0002: it has some, but fewer than wanted, and `p_partial` is false;
--   nothing is taken then. A repeat with the same `p_key` gets the same codes as they are now, `is_replay`, and the
--   fingerprint of the first call.
-- Nobody waits for a row: SKIP LOCKED leaves locks on rows that others took just before, so rings of waits would
-- form when a pool runs dry. Batches of a pool go one after the other, so that no two hold what the other needs.
CREATE FUNCTION allocate_codes(
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
        INSERT INTO outbox (id, tenant_id, type, source, subject, occurred_at, data, correlation_id)
        SELECT event_id(s.place), p_tenant, 'code.code.' || s.to_status || '.v1', '/code-service', h.id::text, p_now,
               json_build_object('code_id', h.id, 'code', h.code, 'type', h.type, 'occurred_at', p_now,
                                 'actor_id', p_actor, 'reference', p_reference),
               p_request_id
        FROM changed h CROSS JOIN step s WHERE s.to_status <> 'reserved'
    )
    SELECT h.id, h.code, p_status, p_now, p_reserved_until, h.expires_at, p_fingerprint, false
    FROM unnest(taken) WITH ORDINALITY AS t(code_id, place) JOIN changed h ON h.id = t.code_id ORDER BY t.place;
END $$;
