-- Those who get addresses every month, and the further people of theirs.

CREATE TABLE client (
    tenant_id                   uuid NOT NULL,
    id                          uuid NOT NULL,
    first_name                  text NOT NULL,
    last_name                   text NOT NULL,
    email                       text,               -- NULL once the client is erased
    email_lower                 text COLLATE "C" GENERATED ALWAYS AS (lower(email)) STORED,
    telephone                   text,
    company_name                text,
    company_address             text,
    subscription_type           text NOT NULL DEFAULT 'decouverte'
                                CHECK (subscription_type IN ('decouverte', 'pro', 'entreprise')),
    status                      text NOT NULL DEFAULT 'active'
                                CHECK (status IN ('active', 'inactive', 'test', 'pending')),
    subscription_start_date     date,
    subscription_end_date       date,               -- the last day of service
    subscription_status         text,               -- these three as the payment provider tells them
    stripe_customer_id          text,
    stripe_subscription_id      text,
    first_report_date           date,
    send_day                    smallint NOT NULL DEFAULT 1 CHECK (send_day BETWEEN 1 AND 31),
    addresses_per_report        integer CHECK (addresses_per_report BETWEEN 1 AND 1000),  -- NULL: the default
    chosen_cities               uuid[] NOT NULL DEFAULT '{}',
    property_type_preferences   text[] NOT NULL DEFAULT '{}' CHECK (
        property_type_preferences <@ ARRAY['house', 'apartment', 'land', 'commercial', 'other']),
    template_name               text,
    info                        text,
    role                        text NOT NULL DEFAULT 'user' CHECK (role IN ('admin', 'user')),
    language                    text NOT NULL DEFAULT 'fr' CHECK (language IN ('fr', 'en')),
    time_zone                   text NOT NULL DEFAULT 'Europe/Paris',
    created_at                  timestamptz NOT NULL DEFAULT now(),
    updated_at                  timestamptz NOT NULL DEFAULT now(),
    deleted_at                  timestamptz,
    erased_at                   timestamptz,
    PRIMARY KEY (tenant_id, id),
    CHECK (subscription_end_date >= subscription_start_date),
    CHECK ((email IS NULL) = (erased_at IS NOT NULL)),
    CHECK (erased_at IS NULL OR deleted_at IS NOT NULL)
);
CREATE UNIQUE INDEX client_email ON client (tenant_id, email_lower) WHERE deleted_at IS NULL;
CREATE INDEX client_due ON client (tenant_id, status, send_day) WHERE deleted_at IS NULL;
SELECT enable_tenant_rls('client');

CREATE TABLE client_seat (
    tenant_id    uuid NOT NULL,
    id           uuid NOT NULL,
    client_id    uuid NOT NULL,
    first_name   text NOT NULL,
    last_name    text NOT NULL,
    email        text NOT NULL,
    email_lower  text COLLATE "C" GENERATED ALWAYS AS (lower(email)) STORED,
    role         text NOT NULL DEFAULT 'user' CHECK (role IN ('admin', 'user')),
    is_active    boolean NOT NULL DEFAULT true,     -- false with a deleted client: the address is free again
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, client_id) REFERENCES client (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX client_seat_email ON client_seat (tenant_id, email_lower) WHERE is_active;
CREATE INDEX client_seat_of ON client_seat (tenant_id, client_id, created_at);
SELECT enable_tenant_rls('client_seat');

-- The jobs that are about a client.
CREATE INDEX job_of_client ON job (tenant_id, (payload->>'client_id'), id) WHERE payload ? 'client_id';
