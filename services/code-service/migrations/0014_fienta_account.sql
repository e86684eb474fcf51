-- What a tenant's automation logs in to Fienta with, and which worker has an account in use.

CREATE TABLE fienta_account (
    tenant_id   uuid PRIMARY KEY,
    sealed      bytea NOT NULL,     -- e-mail address, password, event and organiser: AES-256-GCM, bound to the tenant
    updated_at  timestamptz NOT NULL,
    updated_by  text NOT NULL
);
SELECT enable_tenant_rls('fienta_account');

-- Of no tenant: two tenants may share one account, and it still has one worker. `account` is a digest.
CREATE TABLE fienta_lease (
    account  bytea PRIMARY KEY,
    token    uuid NOT NULL,
    until    timestamptz NOT NULL
);
