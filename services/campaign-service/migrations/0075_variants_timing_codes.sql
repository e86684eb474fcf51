-- Campaigns in variants, at each recipient's own time of day, and with a code for everybody.

-- local_time: sent when it is that time where the recipient is. send_window: {opens, closes, days}, also there.
-- time_zone: of recipients of whom none is known; send_zones: all there are, once it started. code_pool: where each recipient's code comes from.
ALTER TABLE campaign
  ADD COLUMN local_time  text CHECK (local_time ~ '^([01]\d|2[0-3]):[0-5]\d$'),
  ADD COLUMN time_zone   text,
  ADD COLUMN send_window jsonb,
  ADD COLUMN send_zones  text[] NOT NULL DEFAULT '{}',
  ADD COLUMN code_type   text NOT NULL DEFAULT 'discount',
  ADD COLUMN code_pool   text CHECK (length(code_pool) BETWEEN 1 AND 64);

-- A recipient is held (next_attempt_at = 'infinity') until it has a variant and, where there is a pool, a code.
ALTER TABLE campaign_recipient
  ADD COLUMN send_zone    text,
  ADD COLUMN code         text,
  ADD COLUMN code_request uuid;
CREATE INDEX campaign_recipient_held_idx ON campaign_recipient (tenant_id, campaign_id, variant, contact_id)
  WHERE state = 'queued' AND next_attempt_at = 'infinity'::timestamptz;
-- Codes of those who will never get the mail, over all tenants: they go back into their pool.
CREATE INDEX campaign_recipient_unused_code_idx ON campaign_recipient (tenant_id, code_request)
  WHERE code IS NOT NULL AND state IN ('skipped', 'cancelled');
CREATE INDEX campaign_recipient_code_request_idx ON campaign_recipient (tenant_id, code_request)
  WHERE code_request IS NOT NULL;

CREATE TABLE campaign_test (
  tenant_id    uuid NOT NULL,
  campaign_id  uuid NOT NULL,
  test_percent smallint NOT NULL CHECK (test_percent BETWEEN 1 AND 100),
  wait_seconds integer NOT NULL CHECK (wait_seconds >= 0),
  metric       text NOT NULL CHECK (metric IN ('clicks', 'opens')),
  automatic    boolean NOT NULL,
  tested_at    timestamptz,
  decide_at    timestamptz,
  winner       smallint,
  outcome      text CHECK (outcome IN ('significant', 'not_significant', 'no_reaction', 'by_hand')),
  p_value      double precision CHECK (p_value BETWEEN 0 AND 1),
  decided_at   timestamptz,
  decided_by   uuid,
  PRIMARY KEY (tenant_id, campaign_id),
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaign (tenant_id, id) ON DELETE CASCADE,
  CHECK ((winner IS NULL) = (decided_at IS NULL))
);
CREATE INDEX campaign_test_open_idx ON campaign_test (tenant_id, campaign_id) WHERE winner IS NULL;
SELECT enable_tenant_rls('campaign_test');

-- What is NULL is as in the campaign. tested and reactions are the figures the winner was chosen by.
CREATE TABLE campaign_variant (
  tenant_id        uuid NOT NULL,
  campaign_id      uuid NOT NULL,
  number           smallint NOT NULL CHECK (number BETWEEN 1 AND 5),
  subject          text,
  template_id      uuid,
  template_version integer,
  from_name        text,
  tested           integer,
  reactions        integer,
  PRIMARY KEY (tenant_id, campaign_id, number),
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaign_test (tenant_id, campaign_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, template_id) REFERENCES template (tenant_id, id)
);
CREATE INDEX campaign_variant_template_idx ON campaign_variant (tenant_id, template_id)
  WHERE template_id IS NOT NULL;
SELECT enable_tenant_rls('campaign_variant');

-- A request for codes, written before it is made. It is deleted by the transaction that gives the codes to the
-- recipients; until then it is made again under its id, which code-service answers with the same codes.
CREATE TABLE code_request (
  tenant_id   uuid NOT NULL,
  id          uuid NOT NULL,
  campaign_id uuid NOT NULL,
  wanted      integer NOT NULL CHECK (wanted BETWEEN 1 AND 1000),
  code_type   text NOT NULL,
  code_pool   text NOT NULL,
  try_after   timestamptz NOT NULL,
  created_at  timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, campaign_id),
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaign (tenant_id, id) ON DELETE CASCADE
);
SELECT enable_tenant_rls('code_request');

-- The time zone a tenant said it lives in, as auth-service told it.
CREATE TABLE tenant_time_zone (
  tenant_id uuid PRIMARY KEY,
  time_zone text NOT NULL
);
SELECT enable_tenant_rls('tenant_time_zone');
