-- Campaigns that a tenant's MailWizz sends: how far each has been brought there. `provider` is the name of the account.
CREATE TABLE mailwizz_campaign (
  tenant_id    uuid NOT NULL,
  campaign_id  uuid NOT NULL,
  provider     text NOT NULL,
  list_uid     text,
  uploaded_to  uuid,
  is_uploaded  boolean NOT NULL DEFAULT false,
  campaign_uid text,
  is_over      boolean NOT NULL DEFAULT false,
  PRIMARY KEY (tenant_id, campaign_id),
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaign (tenant_id, id) ON DELETE CASCADE,
  CHECK (campaign_uid IS NULL OR is_uploaded)
);
CREATE INDEX mailwizz_campaign_open_idx ON mailwizz_campaign (tenant_id) WHERE NOT is_over;
SELECT enable_tenant_rls('mailwizz_campaign');
