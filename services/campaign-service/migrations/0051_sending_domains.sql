-- Domains that tenants send from, with the keys that sign for them. A private key is sealed.

CREATE TABLE sending_domain (
    tenant_id  uuid NOT NULL,
    id         uuid NOT NULL,
    domain     text COLLATE "C" NOT NULL CHECK (domain = lower(domain)),
    sign       text NOT NULL DEFAULT 'verified' CHECK (sign IN ('verified', 'always', 'never')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, domain)
);
SELECT enable_tenant_rls('sending_domain');

CREATE TABLE sending_domain_key (
    tenant_id   uuid NOT NULL,
    domain_id   uuid NOT NULL,
    selector    text NOT NULL,
    algorithm   text NOT NULL CHECK (algorithm IN ('rsa', 'ed25519')),
    private_key bytea NOT NULL,
    public_key  text NOT NULL,
    verified_at timestamptz,
    checked_at  timestamptz,
    fault       text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, domain_id, selector),
    FOREIGN KEY (tenant_id, domain_id) REFERENCES sending_domain (tenant_id, id) ON DELETE CASCADE
);
SELECT enable_tenant_rls('sending_domain_key');
