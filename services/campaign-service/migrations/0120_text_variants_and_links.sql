-- Texts in variants, and the short links in them with what becomes of these.

ALTER TABLE campaign_variant ADD COLUMN sms_text text CHECK (length(sms_text) BETWEEN 1 AND 10000);

-- The links of a started campaign's texts. `short_url` stands in the text in place of `url`; it is asked for before
-- the first text goes. A `url` no short link can lead to is its own.
CREATE TABLE sms_link (
  tenant_id   uuid NOT NULL,
  campaign_id uuid NOT NULL,
  variant     smallint NOT NULL,
  link_index  integer NOT NULL CHECK (link_index >= 0),
  url         text NOT NULL,
  link_id     uuid,
  short_url   text,
  clicks      bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, campaign_id, variant, link_index),
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaign (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX sms_link_id ON sms_link (tenant_id, link_id) WHERE link_id IS NOT NULL;
SELECT enable_tenant_rls('sms_link');

-- Who clicked: `visitor` stands for an address within a day, and for nobody afterwards.
CREATE TABLE sms_visitor (
  tenant_id   uuid NOT NULL,
  campaign_id uuid NOT NULL,
  variant     smallint NOT NULL,
  link_index  integer NOT NULL,
  visitor     text NOT NULL,
  PRIMARY KEY (tenant_id, campaign_id, variant, link_index, visitor),
  FOREIGN KEY (tenant_id, campaign_id, variant, link_index)
    REFERENCES sms_link (tenant_id, campaign_id, variant, link_index) ON DELETE CASCADE
);
SELECT enable_tenant_rls('sms_visitor');
