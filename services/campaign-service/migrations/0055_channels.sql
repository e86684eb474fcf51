-- By what a tenant's mail leaves: its providers in order, each with the state of its circuit, which all processes share.
CREATE TABLE sending_provider (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL,
    channel     text NOT NULL CHECK (channel IN ('email')),
    position    integer NOT NULL CHECK (position >= 0),
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    kind        text NOT NULL CHECK (kind IN ('smtp', 'powermta-http', 'mailwizz', 'messenger')),
    settings    jsonb NOT NULL,
    secret      bytea,
    circuit     text NOT NULL DEFAULT 'closed' CHECK (circuit IN ('closed', 'open', 'half_open')),
    failures    integer NOT NULL DEFAULT 0,
    retry_at    timestamptz,
    last_error  text,
    failed_at   timestamptz,
    updated_by  uuid NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, channel, name),
    CHECK (circuit = 'closed' OR retry_at IS NOT NULL)
);
SELECT enable_tenant_rls('sending_provider');
