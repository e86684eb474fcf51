-- Short links and their clicks.

CREATE TABLE link (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL,
    -- The whole installation shares one space of short ids: their addresses name no tenant.
    short_id        text COLLATE "C" NOT NULL UNIQUE CHECK (short_id ~ '^[A-Za-z0-9_-]{3,64}$'),
    url             text NOT NULL,
    utm             jsonb NOT NULL DEFAULT '{}',
    target_url      text NOT NULL CHECK (target_url ~ '^https?://[^[:cntrl:][:space:]]+$'),
    title           text,
    is_active       boolean NOT NULL DEFAULT true,
    expires_at      timestamptz,
    clicks          bigint NOT NULL DEFAULT 0,      -- of people
    scanner_clicks  bigint NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    deleted_at      timestamptz,                    -- its short id is never given to another link
    PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 80);
SELECT enable_tenant_rls('link');

CREATE TABLE link_click (
    tenant_id   uuid NOT NULL,
    link_id     uuid NOT NULL,
    id          uuid NOT NULL,                      -- UUIDv7: in order of time
    at          timestamptz NOT NULL,
    verdict     text NOT NULL CHECK (verdict IN ('human', 'scanner')),
    visitor     text NOT NULL,                      -- stands for an address, unlinkable after its day
    referrer    text NOT NULL,                      -- a host; '' for none
    device      text NOT NULL CHECK (device IN ('desktop', 'mobile', 'tablet', 'other')),
    PRIMARY KEY (tenant_id, link_id, id),
    FOREIGN KEY (tenant_id, link_id) REFERENCES link (tenant_id, id)
);
SELECT enable_tenant_rls('link_click');
