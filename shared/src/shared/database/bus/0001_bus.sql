-- The event bus inside Postgres, for installations without a broker. Run once per database, as tidings_bus_owner
-- with the schema `bus` first in the search path. Members of tidings_bus_user may publish and consume.

CREATE TABLE event (
    id              uuid PRIMARY KEY,
    tenant_id       uuid,
    type            text NOT NULL,
    source          text NOT NULL,
    subject         text,
    occurred_at     timestamptz NOT NULL,
    data            json NOT NULL,
    traceparent     text,
    correlation_id  text,
    stored_at       timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX event_retention ON event (stored_at);

-- A subscriber is "<service>.<consumer>"; it stays subscribed while its process is away.
CREATE TABLE subscription (
    subscriber  text NOT NULL,
    type        text NOT NULL,
    PRIMARY KEY (subscriber, type)
);
CREATE INDEX subscription_type ON subscription (type);

-- One row per event and subscriber until it is done. No foreign key to event: both are written in one
-- transaction, and the clean-up removes only events that have no delivery left.
CREATE TABLE delivery (
    subscriber    text NOT NULL,
    event_id      uuid NOT NULL,
    attempt       int NOT NULL DEFAULT 0,           -- failed attempts so far
    claims        int NOT NULL DEFAULT 0,           -- times handed to a process, also one that died with it
    available_at  timestamptz NOT NULL DEFAULT now(),  -- also the end of the lease while it is being handled
    error         text,
    dead_at       timestamptz,
    PRIMARY KEY (subscriber, event_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX delivery_due ON delivery (subscriber, available_at) WHERE dead_at IS NULL;
CREATE INDEX delivery_dead ON delivery (subscriber, dead_at) WHERE dead_at IS NOT NULL;
CREATE INDEX delivery_event ON delivery (event_id);

GRANT USAGE ON SCHEMA bus TO tidings_bus_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON event, subscription, delivery TO tidings_bus_user;
