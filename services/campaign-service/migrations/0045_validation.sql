-- What validation found out about addresses, and what is known of the domains they are at.

ALTER TABLE contact
  ADD COLUMN validation_score real CHECK (validation_score BETWEEN 0 AND 1),
  ADD COLUMN validation_errors text[] NOT NULL DEFAULT '{}',
  ADD COLUMN validated_at timestamptz;

-- Whether a domain takes mail, until `expires_at`. What could not be found out is not kept.
CREATE TABLE mail_domain (
  tenant_id  uuid NOT NULL,
  domain     text COLLATE "C" NOT NULL,
  verdict    text NOT NULL CHECK (verdict IN ('accepts', 'null_mx', 'no_mail_server')),
  checked_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, domain)
);
SELECT enable_tenant_rls('mail_domain');
