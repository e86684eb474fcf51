-- Warm-up: what a new domain, address pool or mailbox provider may get a day, more each day that mail was sent.
-- Empty fields of a plan stand for any: a plan counts the mails that all its fields fit.
CREATE TABLE warmup_plan (
    tenant_id         uuid NOT NULL,
    id                uuid NOT NULL,
    domain            text NOT NULL DEFAULT '',
    ip_pool           text NOT NULL DEFAULT '',
    mailbox_provider  text NOT NULL DEFAULT ''
      CHECK (mailbox_provider IN ('', 'gmail', 'outlook', 'yahoo', 'apple', 'other')),
    caps              integer[] NOT NULL CHECK (cardinality(caps) BETWEEN 1 AND 400),
    time_zone         text NOT NULL DEFAULT 'UTC',
    rules             jsonb NOT NULL,
    status            text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'stopped', 'finished')),
    status_reason     text,
    warning           text,
    day_number        integer NOT NULL DEFAULT 1 CHECK (day_number >= 1),
    today             date,
    used              integer NOT NULL DEFAULT 0 CHECK (used >= 0),
    judged_since      date NOT NULL DEFAULT '2000-01-01',
    updated_by        uuid NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, domain, ip_pool, mailbox_provider)
);
SELECT enable_tenant_rls('warmup_plan');

-- The mails a plan has let go, once a day each: claimed again after a crash they take no second place.
CREATE TABLE warmup_mail (
    tenant_id   uuid NOT NULL,
    plan_id     uuid NOT NULL,
    day         date NOT NULL,
    campaign_id uuid NOT NULL,
    contact_id  uuid NOT NULL,
    PRIMARY KEY (tenant_id, plan_id, day, campaign_id, contact_id),
    FOREIGN KEY (tenant_id, plan_id) REFERENCES warmup_plan (tenant_id, id) ON DELETE CASCADE
);
SELECT enable_tenant_rls('warmup_mail');
