-- Inbound webhooks: their settings, their history, and the one statement that takes them in.

-- What a sender's token opens. The token itself is never kept, only its SHA-256 (256 random bits: no salt needed).
CREATE TABLE webhook_source (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    type            text NOT NULL CHECK (type IN ('mailwizz', 'powermta', 'generic', 'test', 'twilio', 'stripe',
                                                  'github', 'standard', 'make', 'fienta')),
    token_hash      bytea NOT NULL CHECK (length(token_hash) = 32),
    token_hint      text NOT NULL,                  -- the last four characters, to tell tokens apart
    signing_secret  bytea,                          -- sealed: needed in clear to check a signature
    settings        jsonb NOT NULL DEFAULT '{}',
    is_enabled      boolean NOT NULL DEFAULT true,
    version         int NOT NULL DEFAULT 1,         -- grows with every change that a cached copy must not survive
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);
-- Looked up before the tenant is known: the token tells the tenant.
CREATE UNIQUE INDEX webhook_source_token ON webhook_source (token_hash);

SELECT enable_tenant_rls('webhook_source');

-- One row per delivery: accepted, refused after its token was accepted, or in conflict with an earlier one.
-- No foreign key to the source: the history outlives it, and its share lock would serialise busy senders.
CREATE TABLE webhook_event (
    tenant_id         uuid NOT NULL,
    id                uuid NOT NULL,
    source_id         uuid NOT NULL,
    source_type       text NOT NULL,
    status            text NOT NULL CHECK (status IN ('received', 'conflict', 'rejected')),
    dedupe_key        bytea NOT NULL,
    digest            bytea NOT NULL,               -- SHA-256 of the body
    content_type      text NOT NULL,
    headers           json NOT NULL,                -- without credentials
    body              bytea NOT NULL,
    body_bytes        int NOT NULL,                 -- as received; a rejected sample may keep less
    error_code        text,
    error             text,
    conflict_of       uuid,
    repeats           int NOT NULL DEFAULT 0,
    last_repeat_at    timestamptz,
    replays           int NOT NULL DEFAULT 0,
    last_replayed_at  timestamptz,
    received_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, source_id, dedupe_key)
) WITH (fillfactor = 90);
CREATE INDEX webhook_event_by_source ON webhook_event (tenant_id, source_id, id);
CREATE INDEX webhook_event_by_status ON webhook_event (tenant_id, status, id) WHERE status <> 'received';
-- For the retention job, which works across tenants.
CREATE INDEX webhook_event_retention ON webhook_event (received_at);

SELECT enable_tenant_rls('webhook_event');

-- Takes one verified webhook in: history and outbox in one round trip and one commit.
--   accepted   new: stored and published
--   duplicate  the same body under the same key was there; counted on the first row
--   conflict   another body under the same key: kept beside it, not published
--   stale      the source changed since the caller read it: read it again and verify again
CREATE FUNCTION accept_webhook(
    p_tenant uuid, p_source uuid, p_version int, p_source_type text, p_id uuid, p_key bytea, p_digest bytea,
    p_content_type text, p_headers json, p_body bytea, p_event_type text, p_data json, p_traceparent text,
    p_correlation text, p_received_at timestamptz,
    OUT outcome text, OUT event_id uuid
) LANGUAGE plpgsql AS $$
DECLARE
    first_digest bytea;
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant::text, true);
    PERFORM 1 FROM webhook_source s
     WHERE s.tenant_id = p_tenant AND s.id = p_source AND s.version = p_version AND s.is_enabled;
    IF NOT FOUND THEN
        outcome := 'stale';
        RETURN;
    END IF;

    INSERT INTO webhook_event (tenant_id, id, source_id, source_type, status, dedupe_key, digest, content_type,
                               headers, body, body_bytes, received_at)
    VALUES (p_tenant, p_id, p_source, p_source_type, 'received', p_key, p_digest, p_content_type,
            p_headers, p_body, length(p_body), p_received_at)
    ON CONFLICT (tenant_id, source_id, dedupe_key) DO NOTHING;
    IF FOUND THEN
        INSERT INTO outbox (id, tenant_id, type, source, subject, occurred_at, data, traceparent, correlation_id)
        VALUES (p_id, p_tenant, p_event_type, '/webhook-gateway', p_source::text, p_received_at, p_data,
                p_traceparent, p_correlation);
        outcome := 'accepted';
        event_id := p_id;
        RETURN;
    END IF;

    UPDATE webhook_event e SET repeats = e.repeats + 1, last_repeat_at = p_received_at
     WHERE e.tenant_id = p_tenant AND e.source_id = p_source AND e.dedupe_key = p_key
    RETURNING e.id, e.digest INTO event_id, first_digest;
    IF first_digest = p_digest THEN
        outcome := 'duplicate';
        RETURN;
    END IF;
    outcome := 'conflict';
    INSERT INTO webhook_event (tenant_id, id, source_id, source_type, status, dedupe_key, digest, content_type,
                               headers, body, body_bytes, error_code, error, conflict_of, received_at)
    VALUES (p_tenant, p_id, p_source, p_source_type, 'conflict', sha256(p_key || p_digest), p_digest,
            p_content_type, p_headers, p_body, length(p_body), 'CONFLICTING_BODY',
            'The same id came before with another body', event_id, p_received_at)
    ON CONFLICT (tenant_id, source_id, dedupe_key)
    DO UPDATE SET repeats = webhook_event.repeats + 1, last_repeat_at = excluded.received_at;
END $$;

-- Sessions ended while their access tokens still run; every gateway process reads it.
CREATE TABLE revoked_session (
    session_id  uuid PRIMARY KEY,
    expires_at  timestamptz NOT NULL,
    revoked_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX revoked_session_recent ON revoked_session (revoked_at);

SELECT enable_system_table('revoked_session');

-- `rate_take` for several callers, each wanting several requests: grants as many as the limit leaves.
CREATE FUNCTION rate_take_many(
    p_keys text[], p_counts int[], p_limit int, p_window_seconds int,
    OUT key text, OUT granted int, OUT remaining int, OUT reset_seconds double precision,
    OUT retry_seconds double precision
) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    wanted int;
    taken  record;
BEGIN
    FOR key, wanted IN SELECT * FROM unnest(p_keys, p_counts) LOOP
        SELECT * INTO taken FROM rate_take(key, p_limit, p_window_seconds, wanted);
        granted := wanted;
        IF NOT taken.allowed THEN
            -- Fewer are left than were wanted. The row is locked by us by now, so they stay.
            granted := least(taken.remaining, wanted);
            IF granted > 0 THEN
                SELECT * INTO taken FROM rate_take(key, p_limit, p_window_seconds, granted);
                granted := CASE WHEN taken.allowed THEN granted ELSE 0 END;
            END IF;
            -- One more, to be told when the refused ones may come again.
            SELECT * INTO taken FROM rate_take(key, p_limit, p_window_seconds, 1);
            granted := granted + taken.allowed::int;
        END IF;
        remaining := taken.remaining;
        reset_seconds := taken.reset_seconds;
        retry_seconds := taken.retry_seconds;
        RETURN NEXT;
    END LOOP;
END $$;
