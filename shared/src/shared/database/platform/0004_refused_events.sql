-- Events that the transport refuses for themselves: taken out of the outbox, so that those behind them go on.
CREATE TABLE outbox_refused (
    id              uuid PRIMARY KEY,
    tenant_id       uuid,
    type            text NOT NULL,
    source          text NOT NULL,
    subject         text,
    occurred_at     timestamptz NOT NULL,
    data            json NOT NULL,
    traceparent     text,
    correlation_id  text,
    tries           int NOT NULL,
    error           text NOT NULL,
    refused_at      timestamptz NOT NULL DEFAULT now()
);

SELECT enable_tenant_rls('outbox_refused');
