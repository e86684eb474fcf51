-- SMS: contacts by phone alone, campaigns by SMS, a tenant's account at the provider, every text in and out,
-- and what comes of answers and missed calls.

-- `phone_e164` follows from `phone`; `phone_tried` is the phone it was last worked out from, so that whoever
-- writes a phone need not know how numbers are read.
ALTER TABLE contact
  ALTER COLUMN email DROP NOT NULL,
  ADD COLUMN phone_e164 text COLLATE "C" CHECK (phone_e164 ~ '^\+[1-9][0-9]{6,14}$'),
  ADD COLUMN phone_tried text,
  ADD CONSTRAINT contact_reachable CHECK (email IS NOT NULL OR phone_e164 IS NOT NULL);
CREATE UNIQUE INDEX contact_phone_only ON contact (tenant_id, phone_e164) WHERE email IS NULL;
CREATE INDEX contact_phone_idx ON contact (tenant_id, phone_e164) WHERE phone_e164 IS NOT NULL;
CREATE INDEX contact_phone_pending ON contact (tenant_id, id) WHERE phone IS DISTINCT FROM phone_tried;

ALTER TABLE campaign
  DROP CONSTRAINT campaign_channel_check,
  ADD CONSTRAINT campaign_channel_check CHECK (channel IN ('email', 'sms')),
  ALTER COLUMN template_id DROP NOT NULL,
  ADD COLUMN sms_text text CHECK (length(sms_text) BETWEEN 1 AND 10000),
  ADD CONSTRAINT campaign_content CHECK (template_id IS NOT NULL OR (channel = 'sms' AND sms_text IS NOT NULL));

ALTER TABLE campaign_recipient
  ALTER COLUMN email DROP NOT NULL,
  ADD COLUMN phone text COLLATE "C",
  ADD CONSTRAINT campaign_recipient_address CHECK (email IS NOT NULL OR phone IS NOT NULL);

ALTER TABLE message
  DROP CONSTRAINT message_channel_check,
  ADD CONSTRAINT message_channel_check CHECK (channel IN ('email', 'sms')),
  ALTER COLUMN recipient_email DROP NOT NULL,
  ALTER COLUMN from_email DROP NOT NULL,
  ALTER COLUMN subject DROP NOT NULL,
  ADD COLUMN recipient_phone text COLLATE "C",
  ADD CONSTRAINT message_address CHECK (
    (channel = 'email' AND recipient_email IS NOT NULL AND from_email IS NOT NULL AND subject IS NOT NULL)
    OR (channel = 'sms' AND recipient_phone IS NOT NULL AND text IS NOT NULL));

-- Prices are millionths of the currency's unit: a segment costs a fraction of a cent.
CREATE TABLE sms_account (
  tenant_id             uuid PRIMARY KEY,
  account_sid           text NOT NULL,
  auth_token            bytea NOT NULL,
  messaging_service_sid text,
  sender_id             text,
  status_callback_url   text,
  default_region        text NOT NULL DEFAULT 'US',
  time_zone             text NOT NULL DEFAULT 'UTC',
  quiet_from            time,
  quiet_until           time,
  rate_per_sender       double precision NOT NULL DEFAULT 1 CHECK (rate_per_sender > 0),
  currency              text NOT NULL DEFAULT 'USD',
  default_price         bigint NOT NULL DEFAULT 0 CHECK (default_price >= 0),
  prices                jsonb NOT NULL DEFAULT '{}',
  answers_keywords      boolean NOT NULL DEFAULT true,
  help_text             text,
  text_back             text,
  updated_by            uuid NOT NULL,
  created_at            timestamptz NOT NULL DEFAULT now(),
  updated_at            timestamptz NOT NULL DEFAULT now(),
  CHECK ((quiet_from IS NULL) = (quiet_until IS NULL))
);
SELECT enable_tenant_rls('sms_account');

CREATE TABLE phone_number (
  tenant_id    uuid NOT NULL,
  id           uuid NOT NULL,
  number       text COLLATE "C" NOT NULL,
  label        text,
  provider     text NOT NULL DEFAULT 'twilio',
  capabilities text[] NOT NULL DEFAULT '{sms,voice}',
  is_active    boolean NOT NULL DEFAULT true,
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, number)
);
SELECT enable_tenant_rls('phone_number');

-- When a number (sender id, messaging service) may send its next text.
CREATE TABLE sms_sender (
  tenant_id    uuid NOT NULL,
  sender       text COLLATE "C" NOT NULL,
  next_free_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, sender)
) WITH (fillfactor = 50);
SELECT enable_tenant_rls('sms_sender');

CREATE TABLE conversation (
  tenant_id       uuid NOT NULL,
  id              uuid NOT NULL,
  customer_phone  text COLLATE "C" NOT NULL,
  business_phone  text COLLATE "C" NOT NULL,
  contact_id      uuid,
  status          text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'waiting', 'closed', 'opted_out')),
  last_message_at timestamptz NOT NULL DEFAULT now(),
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, customer_phone, business_phone)
);
CREATE INDEX conversation_list_idx ON conversation (tenant_id, last_message_at DESC, id DESC);
SELECT enable_tenant_rls('conversation');

-- At most one lead of a conversation is under way.
CREATE TABLE lead (
  tenant_id           uuid NOT NULL,
  id                  uuid NOT NULL,
  customer_phone      text COLLATE "C" NOT NULL,
  customer_name       text,
  problem_description text,
  status              text NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'contacted', 'qualified', 'won', 'lost')),
  source              text,
  conversation_id     uuid,
  estimated_value     bigint CHECK (estimated_value >= 0),
  created_at          timestamptz NOT NULL DEFAULT now(),
  updated_at          timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversation (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX lead_open_idx ON lead (tenant_id, conversation_id) WHERE status NOT IN ('won', 'lost');
SELECT enable_tenant_rls('lead');

CREATE TABLE call (
  tenant_id       uuid NOT NULL,
  id              uuid NOT NULL,
  provider_sid    text NOT NULL,
  customer_phone  text NOT NULL,
  business_phone  text NOT NULL,
  direction       text NOT NULL DEFAULT 'inbound' CHECK (direction IN ('inbound', 'outbound')),
  status          text NOT NULL CHECK (status IN ('ringing', 'answered', 'completed', 'missed', 'failed')),
  started_at      timestamptz NOT NULL,
  ended_at        timestamptz,
  duration        integer NOT NULL DEFAULT 0 CHECK (duration >= 0),
  conversation_id uuid,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, provider_sid),
  FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversation (tenant_id, id) ON DELETE SET NULL (conversation_id)
);
CREATE INDEX call_conversation_idx ON call (tenant_id, conversation_id, started_at);
SELECT enable_tenant_rls('call');

-- Every text, in or out. Outgoing ones are their own queue; those of a campaign are written as they are sent.
CREATE TABLE sms_message (
  tenant_id       uuid NOT NULL,
  id              uuid NOT NULL,
  direction       text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
  purpose         text NOT NULL CHECK (purpose IN ('marketing', 'transactional', 'conversation', 'automatic')),
  customer_phone  text COLLATE "C" NOT NULL,
  business_phone  text COLLATE "C",
  conversation_id uuid,
  campaign_id     uuid,
  contact_id      uuid,
  message_id      uuid,
  body            text NOT NULL,
  segments        smallint NOT NULL DEFAULT 1,
  price           bigint NOT NULL DEFAULT 0,
  currency        text,
  status          text NOT NULL CHECK (status IN ('queued', 'attempting', 'sent', 'delivered', 'undelivered', 'failed',
                                                  'ambiguous', 'skipped', 'received')),
  rank            smallint NOT NULL DEFAULT 0,
  provider_sid    text COLLATE "C",
  provider_status text,
  error_code      text,
  error_detail    text,
  attempts        smallint NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  lease_token     uuid,
  lease_until     timestamptz,
  created_by      uuid,
  created_at      timestamptz NOT NULL DEFAULT now(),
  sent_at         timestamptz,
  delivered_at    timestamptz,
  updated_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversation (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX sms_message_sid ON sms_message (tenant_id, provider_sid) WHERE provider_sid IS NOT NULL;
CREATE INDEX sms_message_claim ON sms_message (tenant_id, next_attempt_at) WHERE status = 'queued';
CREATE INDEX sms_message_lease ON sms_message (tenant_id, lease_until) WHERE status = 'attempting';
CREATE INDEX sms_message_phone ON sms_message (tenant_id, customer_phone, id);
CREATE INDEX sms_message_conversation ON sms_message (tenant_id, conversation_id, id) WHERE conversation_id IS NOT NULL;
SELECT enable_tenant_rls('sms_message');

-- Reports that came before the answer of the request they are about.
CREATE TABLE sms_early_report (
  tenant_id    uuid NOT NULL,
  id           uuid NOT NULL,
  provider_sid text NOT NULL,
  status       text NOT NULL,
  error_code   text,
  received_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX sms_early_report_sid ON sms_early_report (tenant_id, provider_sid);
SELECT enable_tenant_rls('sms_early_report');
