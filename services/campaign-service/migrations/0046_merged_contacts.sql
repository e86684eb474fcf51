-- Which contact a merged one became. Its mails stay recorded under its own id: they were sent to its own address.
CREATE TABLE contact_merge (
  tenant_id   uuid NOT NULL,
  contact_id  uuid NOT NULL,
  kept_id     uuid NOT NULL,
  email_lower text COLLATE "C" NOT NULL,
  merged_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, contact_id),
  FOREIGN KEY (tenant_id, kept_id) REFERENCES contact (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX contact_merge_kept_idx ON contact_merge (tenant_id, kept_id);
SELECT enable_tenant_rls('contact_merge');
