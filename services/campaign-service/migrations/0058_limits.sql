-- How fast campaigns may go: token buckets that all processes share. `name` is empty for the tenant as a whole.
CREATE TABLE sending_limit (
    tenant_id   uuid NOT NULL,
    scope       text NOT NULL CHECK (scope IN ('tenant', 'domain', 'ip_pool', 'mailbox_provider')),
    name        text NOT NULL,
    addresses   inet[] NOT NULL DEFAULT '{}',
    per_minute  double precision CHECK (per_minute > 0),
    burst       integer NOT NULL DEFAULT 1 CHECK (burst >= 1),
    tokens      double precision NOT NULL DEFAULT 0,
    refilled_at timestamptz NOT NULL,
    updated_by  uuid NOT NULL,
    PRIMARY KEY (tenant_id, scope, name)
);
SELECT enable_tenant_rls('sending_limit');
