-- What a tenant says of its custom fields. A field without a definition takes any value, unless the tenant is
-- strict. Values that were there before a definition stay as they are.
CREATE TABLE contact_field (
  tenant_id     uuid NOT NULL,
  id            uuid NOT NULL,
  key           text COLLATE "C" NOT NULL CHECK (key ~ '^[a-z0-9_]{1,64}$'),
  label         text NOT NULL,
  type          text NOT NULL CHECK (type IN ('text', 'number', 'boolean', 'date', 'choice')),
  choices       text[] NOT NULL DEFAULT '{}' CHECK ((type = 'choice') = (choices <> '{}')),
  is_required   boolean NOT NULL DEFAULT false,
  default_value jsonb,
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, key)
);
SELECT enable_tenant_rls('contact_field');

CREATE TABLE contact_field_settings (
  tenant_id  uuid PRIMARY KEY,
  is_strict  boolean NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);
SELECT enable_tenant_rls('contact_field_settings');
