-- Who was put on the list of a campaign that MailWizz sends, so that they can be taken off it again. `leave` is how:
-- who may not be written to any more is unsubscribed there, who was erased or deleted here is deleted there too.
-- `address` is kept until then even of somebody erased, or nobody could say who has to be deleted.
CREATE TABLE mailwizz_subscriber (
  tenant_id   uuid NOT NULL,
  campaign_id uuid NOT NULL,
  contact_id  uuid NOT NULL,
  address     text COLLATE "C" NOT NULL,
  leave       text CHECK (leave IN ('unsubscribe', 'delete')),
  left_at     timestamptz,
  error       text,
  PRIMARY KEY (tenant_id, campaign_id, contact_id),
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES mailwizz_campaign (tenant_id, campaign_id) ON DELETE CASCADE,
  CHECK (left_at IS NULL OR leave IS NOT NULL)
);
CREATE INDEX mailwizz_subscriber_person_idx ON mailwizz_subscriber (tenant_id, contact_id);
CREATE INDEX mailwizz_subscriber_address_idx ON mailwizz_subscriber (tenant_id, campaign_id, address);
CREATE INDEX mailwizz_subscriber_leaving_idx ON mailwizz_subscriber (tenant_id, campaign_id)
  WHERE leave IS NOT NULL AND left_at IS NULL;
SELECT enable_tenant_rls('mailwizz_subscriber');

INSERT INTO mailwizz_subscriber (tenant_id, campaign_id, contact_id, address)
SELECT r.tenant_id, r.campaign_id, r.contact_id, lower(r.email)
FROM mailwizz_campaign m JOIN campaign_recipient r ON r.tenant_id = m.tenant_id AND r.campaign_id = m.campaign_id
WHERE NOT m.is_over AND r.email IS NOT NULL AND (m.is_uploaded OR r.contact_id <= m.uploaded_to);

-- Since when a campaign may be there of whose making nobody has heard.
ALTER TABLE mailwizz_campaign ADD COLUMN creating_at timestamptz;
