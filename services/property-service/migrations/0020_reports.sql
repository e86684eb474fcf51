-- What a tenant's mails look like, whose turn it was when, and what each run for a client came to.

CREATE TABLE report_settings (
    tenant_id     uuid NOT NULL PRIMARY KEY,
    brand_name    text NOT NULL,
    color         text NOT NULL DEFAULT '#6c63ff' CHECK (color ~ '^#[0-9a-f]{6}$'),
    accent        text NOT NULL DEFAULT '#8b84ff' CHECK (accent ~ '^#[0-9a-f]{6}$'),
    logo_url      text,
    website       text,
    sender_email  text,                             -- NULL: the sender of the installation
    sender_name   text,
    reply_to      text,
    alert_email   text,                             -- NULL: CTO_EMAIL of the installation
    language      text NOT NULL DEFAULT 'fr' CHECK (language IN ('fr', 'en')),  -- of alerts and test mails
    updated_at    timestamptz NOT NULL DEFAULT now()
);
SELECT enable_tenant_rls('report_settings');

-- A client is noticed once and served once for each month: whoever inserts the row does it.
CREATE TABLE client_turn (
    tenant_id   uuid NOT NULL,
    client_id   uuid NOT NULL,
    period      date NOT NULL CHECK (extract(day FROM period) = 1),
    kind        text NOT NULL CHECK (kind IN ('notice', 'report')),
    due_on      date NOT NULL,
    job_id      uuid,                               -- of a report; jobs are cleaned up, turns are not
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, client_id, period, kind),
    FOREIGN KEY (tenant_id, client_id) REFERENCES client (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX client_turn_period ON client_turn (tenant_id, period, kind);
SELECT enable_tenant_rls('client_turn');

-- Written in the transaction that assigns and mails: a job that runs again after a crash finds it and stops.
CREATE TABLE client_run (
    tenant_id   uuid NOT NULL,
    job_id      uuid NOT NULL,
    client_id   uuid NOT NULL,
    wanted      integer NOT NULL CHECK (wanted >= 0),
    assigned    integer NOT NULL CHECK (assigned >= 0),
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, job_id),
    FOREIGN KEY (tenant_id, client_id) REFERENCES client (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX client_run_of ON client_run (tenant_id, client_id);
SELECT enable_tenant_rls('client_run');
