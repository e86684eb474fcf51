-- Events leave through the outbox and are done once through the inbox.
-- Both run with the service's schema first in the search path, as its owner.

CREATE TABLE outbox (
    id              uuid PRIMARY KEY,               -- the event's id, UUIDv7: roughly in order of publishing
    tenant_id       uuid,                           -- NULL: an event of the whole installation
    type            text NOT NULL,
    source          text NOT NULL,
    subject         text,
    occurred_at     timestamptz NOT NULL DEFAULT now(),
    data            json NOT NULL,                  -- json, not jsonb: kept as written, and \u0000 is allowed
    traceparent     text,
    correlation_id  text
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

SELECT enable_tenant_rls('outbox');
CREATE POLICY installation_events ON outbox FOR INSERT WITH CHECK (tenant_id IS NULL);

CREATE TABLE inbox (
    consumer      text NOT NULL,
    event_id      uuid NOT NULL,
    processed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_retention ON inbox (processed_at);

SELECT enable_system_table('inbox');
