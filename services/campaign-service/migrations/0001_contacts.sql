-- Contacts, tags, templates, suppressions, imports and single (transactional) messages.
--
-- Addresses compare bytewise (COLLATE "C"): faster index inserts during imports, the same order on every
-- machine, and every lower-cased address column joins with every other one.

CREATE TABLE contact (
    tenant_id         uuid NOT NULL,
    id                uuid NOT NULL,
    email             text NOT NULL,
    email_lower       text COLLATE "C" GENERATED ALWAYS AS (lower(email)) STORED,
    phone             text,
    first_name        text,
    last_name         text,
    language          text NOT NULL DEFAULT 'en',
    country           text,
    time_zone         text,
    category          text,
    status            text NOT NULL DEFAULT 'valid'
                      CHECK (status IN ('pending', 'valid', 'invalid', 'blacklisted', 'unsubscribed')),
    validation_status text NOT NULL DEFAULT 'unknown'
                      CHECK (validation_status IN ('valid', 'invalid', 'risky', 'unknown')),
    custom_fields     jsonb NOT NULL DEFAULT '{}',
    source_id         uuid,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, email_lower)
);
SELECT enable_tenant_rls('contact');

CREATE TABLE tag (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL,
    slug        text NOT NULL CHECK (slug ~ '^[a-z0-9]+([_-][a-z0-9]+)*$' AND length(slug) <= 64),
    name        text NOT NULL,
    description text,
    color       text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, slug)
);
SELECT enable_tenant_rls('tag');

CREATE TABLE contact_tag (
    tenant_id  uuid NOT NULL,
    tag_id     uuid NOT NULL,
    contact_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, tag_id, contact_id),
    FOREIGN KEY (tenant_id, tag_id) REFERENCES tag (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contact (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX contact_tag_contact ON contact_tag (tenant_id, contact_id);
SELECT enable_tenant_rls('contact_tag');

CREATE TABLE template (
    tenant_id        uuid NOT NULL,
    id               uuid NOT NULL,
    name             text NOT NULL,
    category         text,
    default_language text NOT NULL DEFAULT 'en',
    current_version  integer NOT NULL DEFAULT 1 CHECK (current_version >= 1),
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    archived_at      timestamptz,
    PRIMARY KEY (tenant_id, id)
);
-- A name is free again once its template is archived.
CREATE UNIQUE INDEX template_name ON template (tenant_id, name) WHERE archived_at IS NULL;
SELECT enable_tenant_rls('template');

CREATE TABLE template_content (
    tenant_id   uuid NOT NULL,
    template_id uuid NOT NULL,
    version     integer NOT NULL CHECK (version >= 1),
    language    text NOT NULL,
    subject     text NOT NULL,
    html        text NOT NULL,
    text        text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, template_id, version, language),
    FOREIGN KEY (tenant_id, template_id) REFERENCES template (tenant_id, id) ON DELETE CASCADE
);
SELECT enable_tenant_rls('template_content');

CREATE TABLE suppression (
    tenant_id     uuid NOT NULL,
    id            uuid NOT NULL,
    channel       text NOT NULL DEFAULT 'email' CHECK (channel IN ('email', 'sms')),
    address_lower text COLLATE "C" NOT NULL,
    scope         text NOT NULL DEFAULT 'all' CHECK (scope IN ('all', 'marketing')),
    reason        text NOT NULL
                  CHECK (reason IN ('unsubscribed', 'hard_bounce', 'soft_bounces', 'complaint', 'manual', 'invalid')),
    detail        text,
    source        text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, channel, address_lower, scope)
);
SELECT enable_tenant_rls('suppression');

-- What happened to an address, kept when the suppression itself is changed or lifted.
CREATE TABLE suppression_history (
    tenant_id     uuid NOT NULL,
    id            uuid NOT NULL,
    channel       text NOT NULL,
    address_lower text COLLATE "C" NOT NULL,
    scope         text NOT NULL,
    action        text NOT NULL CHECK (action IN ('added', 'changed', 'lifted')),
    reason        text NOT NULL,
    detail        text,
    source        text,
    occurred_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX suppression_history_address
    ON suppression_history (tenant_id, channel, address_lower, occurred_at);
SELECT enable_tenant_rls('suppression_history');

CREATE TABLE contact_import (
    tenant_id        uuid NOT NULL,
    id               uuid NOT NULL,
    job_id           uuid,
    filename         text NOT NULL,
    path             text NOT NULL,
    size             bigint NOT NULL,
    status           text NOT NULL DEFAULT 'pending'
                     CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
    mapping          jsonb,
    tags             text[] NOT NULL DEFAULT '{}',
    default_language text NOT NULL DEFAULT 'en',
    on_conflict      text NOT NULL DEFAULT 'update' CHECK (on_conflict IN ('update', 'skip', 'fill_empty')),
    delimiter        text,
    encoding         text,
    columns          jsonb,
    error            text,
    total            bigint NOT NULL DEFAULT 0,
    created          bigint NOT NULL DEFAULT 0,
    updated          bigint NOT NULL DEFAULT 0,
    unchanged        bigint NOT NULL DEFAULT 0,
    duplicate        bigint NOT NULL DEFAULT 0,
    rejected         bigint NOT NULL DEFAULT 0,
    created_by       uuid,
    created_at       timestamptz NOT NULL DEFAULT now(),
    started_at       timestamptz,
    finished_at      timestamptz,
    PRIMARY KEY (tenant_id, id)
);
SELECT enable_tenant_rls('contact_import');

CREATE TABLE contact_import_rejection (
    tenant_id   uuid NOT NULL,
    import_id   uuid NOT NULL,
    line_number bigint NOT NULL,
    reason_code text NOT NULL,
    reason      text NOT NULL,
    raw         text NOT NULL,
    PRIMARY KEY (tenant_id, import_id, line_number),
    FOREIGN KEY (tenant_id, import_id) REFERENCES contact_import (tenant_id, id) ON DELETE CASCADE
);
SELECT enable_tenant_rls('contact_import_rejection');

-- Single messages: their own queue, so that none of them waits behind a campaign.
CREATE TABLE message (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL,
    channel         text NOT NULL DEFAULT 'email' CHECK (channel IN ('email')),
    purpose         text NOT NULL DEFAULT 'transactional' CHECK (purpose IN ('transactional', 'marketing')),
    idempotency_key text,
    template_id     uuid,
    template_version integer,
    template_name   text,
    recipient_email text NOT NULL,
    recipient_name  text,
    language        text,
    from_email      text NOT NULL,
    from_name       text,
    reply_to        text,
    subject         text NOT NULL,
    html            text,
    text            text,
    headers         jsonb NOT NULL DEFAULT '{}',
    state           text NOT NULL DEFAULT 'queued'
                    CHECK (state IN ('queued', 'attempting', 'accepted', 'delivered', 'bounced_hard',
                                     'bounced_soft', 'failed_retry', 'failed', 'ambiguous', 'skipped')),
    skip_reason     text,
    attempts        smallint NOT NULL DEFAULT 0,
    possible_repeats smallint NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    lease_token     uuid,
    lease_until     timestamptz,
    last_code       text,
    last_detail     text,
    created_by      uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    accepted_at     timestamptz,
    delivered_at    timestamptz,
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX message_idempotency ON message (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
-- Claimed by a worker that serves every tenant, oldest first.
CREATE INDEX message_claim ON message (next_attempt_at) WHERE state IN ('queued', 'failed_retry', 'attempting');
SELECT enable_tenant_rls('message');
