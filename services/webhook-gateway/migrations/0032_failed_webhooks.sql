-- Webhooks that a service could not handle are shown as failed, and do not block their id.

ALTER TABLE webhook_event
    DROP CONSTRAINT webhook_event_status_check,
    ADD CONSTRAINT webhook_event_status_check CHECK (status IN ('received', 'conflict', 'rejected', 'failed'));

-- As before, but a webhook with the id of a failed one is taken in like a new one, whatever its body: whoever
-- repairs what failed sends it again under the same id.
CREATE OR REPLACE FUNCTION accept_webhook(
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

    LOOP
        INSERT INTO webhook_event (tenant_id, id, source_id, source_type, status, dedupe_key, digest,
                                   content_type, headers, body, body_bytes, received_at)
        VALUES (p_tenant, p_id, p_source, p_source_type, 'received', p_key, p_digest,
                p_content_type, p_headers, p_body, length(p_body), p_received_at)
        ON CONFLICT (tenant_id, source_id, dedupe_key) DO NOTHING;
        IF FOUND THEN
            INSERT INTO outbox (id, tenant_id, type, source, subject, occurred_at, data, traceparent,
                                correlation_id)
            VALUES (p_id, p_tenant, p_event_type, '/webhook-gateway', p_source::text, p_received_at, p_data,
                    p_traceparent, p_correlation);
            outcome := 'accepted';
            event_id := p_id;
            RETURN;
        END IF;
        -- A failed one gives its key up to the next. Of several that come now, one gets it.
        UPDATE webhook_event e SET dedupe_key = sha256(e.dedupe_key || uuid_send(e.id))
         WHERE e.tenant_id = p_tenant AND e.source_id = p_source AND e.dedupe_key = p_key
           AND e.status = 'failed';
        EXIT WHEN NOT FOUND;
    END LOOP;

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
