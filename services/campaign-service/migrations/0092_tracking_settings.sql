-- How a tenant's mails are tracked. link_trap: each mail has a link that no person sees, for scanners to follow.
CREATE TABLE tracking_settings (
  tenant_id  uuid PRIMARY KEY,
  link_trap  boolean NOT NULL DEFAULT false,
  updated_by uuid NOT NULL,
  updated_at timestamptz NOT NULL
);
SELECT enable_tenant_rls('tracking_settings');
