-- When a tenant said where it is: of two messages the later one counts, in whatever order they come.
ALTER TABLE tenant_time_zone ADD COLUMN said_at timestamptz NOT NULL DEFAULT '-infinity';
