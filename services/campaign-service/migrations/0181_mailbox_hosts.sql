-- Whose mailboxes a domain has by its mail servers: those of many companies are at the large providers.
CREATE TABLE mailbox_host (
  tenant_id  uuid NOT NULL,
  domain     text COLLATE "C" NOT NULL,
  provider   text NOT NULL CHECK (provider IN ('gmail', 'outlook', 'yahoo', 'apple', 'other')),
  checked_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, domain)
);
SELECT enable_tenant_rls('mailbox_host');
