-- Campaigns, their frozen audiences, everything that was heard back about a mail, and the figures made from it.

-- external_ref: what another sender (MailWizz) calls this campaign, so that its webhooks find it.
CREATE TABLE campaign (
  tenant_id            uuid NOT NULL,
  id                   uuid NOT NULL,
  name                 text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  channel              text NOT NULL DEFAULT 'email' CHECK (channel IN ('email')),
  template_id          uuid NOT NULL,
  template_version     integer,
  language             text,
  category             text,
  tags_all             text[] NOT NULL DEFAULT '{}',
  tags_any             text[] NOT NULL DEFAULT '{}',
  exclude_tags         text[] NOT NULL DEFAULT '{}',
  from_name            text,
  from_email           text,
  reply_to             text,
  status               text NOT NULL DEFAULT 'draft'
    CHECK (status IN ('draft', 'scheduled', 'sending', 'paused', 'sent', 'partially_failed', 'cancelled')),
  status_reason        text,
  scheduled_at         timestamptz,
  max_lateness_seconds integer NOT NULL DEFAULT 3600 CHECK (max_lateness_seconds >= 0),
  external_ref         text CHECK (length(external_ref) BETWEEN 1 AND 200),
  started_at           timestamptz,
  completed_at         timestamptz,
  recipient_count      integer NOT NULL DEFAULT 0 CHECK (recipient_count >= 0),
  created_by           uuid,
  created_at           timestamptz NOT NULL DEFAULT now(),
  updated_at           timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, external_ref),
  FOREIGN KEY (tenant_id, template_id) REFERENCES template (tenant_id, id),
  CHECK (status <> 'scheduled' OR scheduled_at IS NOT NULL)
);
CREATE INDEX campaign_list_idx ON campaign (tenant_id, created_at DESC, id DESC);
CREATE INDEX campaign_template_idx ON campaign (tenant_id, template_id);
-- Work queues over all tenants: what is due, and what is being sent.
CREATE INDEX campaign_due_idx ON campaign (scheduled_at) WHERE status = 'scheduled';
CREATE INDEX campaign_sending_idx ON campaign (started_at) WHERE status = 'sending';
SELECT enable_tenant_rls('campaign');

CREATE TABLE campaign_link (
  tenant_id       uuid NOT NULL,
  campaign_id     uuid NOT NULL,
  link_index      integer NOT NULL CHECK (link_index >= 0),
  url             text NOT NULL,
  clicks_human    bigint NOT NULL DEFAULT 0,
  clicks_scanner  bigint NOT NULL DEFAULT 0,
  clicks_unknown  bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, campaign_id, link_index),
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaign (tenant_id, id) ON DELETE CASCADE
);
SELECT enable_tenant_rls('campaign_link');

-- The audience as it was when the campaign started: one row per person, kept as the record of what was sent
-- even when the contact is deleted later (hence no foreign key to contact).
CREATE TABLE campaign_recipient (
  tenant_id        uuid NOT NULL,
  campaign_id      uuid NOT NULL,
  contact_id       uuid NOT NULL,
  variant          smallint NOT NULL DEFAULT 0,
  email            text NOT NULL,
  language         text NOT NULL,
  state            text NOT NULL DEFAULT 'queued'
    CHECK (state IN ('queued', 'leased', 'attempting', 'accepted', 'delivered', 'bounced_hard', 'bounced_soft',
                     'complained', 'failed_retry', 'failed', 'ambiguous', 'skipped', 'cancelled')),
  lease_token      uuid,
  lease_until      timestamptz,
  attempts         smallint NOT NULL DEFAULT 0,
  next_attempt_at  timestamptz,
  possible_repeats smallint NOT NULL DEFAULT 0,
  last_code        text,
  last_detail      text,
  skip_reason      text,
  accepted_at      timestamptz,
  delivered_at     timestamptz,
  bounced_at       timestamptz,
  bounce_class     text CHECK (bounce_class IN ('hard', 'soft', 'other')),
  first_opened_at  timestamptz,
  first_clicked_at timestamptz,
  unsubscribed_at  timestamptz,
  complained_at    timestamptz,
  updated_at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, campaign_id, contact_id),
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaign (tenant_id, id) ON DELETE CASCADE,
  CHECK (state <> 'skipped' OR skip_reason IS NOT NULL)
) WITH (fillfactor = 70);
CREATE INDEX campaign_recipient_claim_idx
  ON campaign_recipient (tenant_id, campaign_id, next_attempt_at NULLS FIRST, contact_id)
  WHERE state IN ('queued', 'failed_retry');
-- Leases that ran out, over all tenants: the sweeper's index.
CREATE INDEX campaign_recipient_lease_idx ON campaign_recipient (lease_until) WHERE state IN ('leased', 'attempting');
SELECT enable_tenant_rls('campaign_recipient');

-- Everything heard about a mail, once per row of its source (dedupe_key is a SHA-256 of what identifies the row).
CREATE TABLE message_event (
  tenant_id    uuid NOT NULL,
  id           uuid NOT NULL,
  campaign_id  uuid,
  contact_id   uuid,
  type         text NOT NULL
    CHECK (type IN ('sent', 'delivered', 'deferred', 'opened', 'clicked', 'bounced', 'complained', 'unsubscribed', 'failed')),
  occurred_at  timestamptz NOT NULL,
  received_at  timestamptz NOT NULL DEFAULT now(),
  verdict      text CHECK (verdict IN ('human', 'proxy', 'scanner', 'unknown')),
  bounce_class text CHECK (bounce_class IN ('hard', 'soft', 'other')),
  link_index   integer,
  detail       jsonb NOT NULL DEFAULT '{}',
  dedupe_key   bytea NOT NULL,
  PRIMARY KEY (tenant_id, dedupe_key, occurred_at)
) PARTITION BY RANGE (occurred_at);
CREATE INDEX message_event_contact_idx ON message_event (tenant_id, contact_id, occurred_at DESC);
CREATE INDEX message_event_campaign_idx ON message_event (tenant_id, campaign_id, contact_id, occurred_at);
SELECT enable_tenant_rls('message_event');

CREATE TABLE message_event_default PARTITION OF message_event DEFAULT;
SELECT enable_tenant_rls('message_event_default');

-- Makes the monthly partitions from this month to `ahead` months on; safe to repeat. Runs as its owner, because the
-- runtime role may not create tables. A month that already has rows in the default partition is left to it.
CREATE FUNCTION ensure_message_event_partitions(ahead integer DEFAULT 3) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  month_start timestamptz := date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
  month_end   timestamptz;
  part        text;
  made        integer := 0;
BEGIN
  FOR i IN 0 .. least(greatest(ahead, 0), 24) LOOP
    month_end := ((month_start AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC';
    part := 'message_event_' || to_char(month_start AT TIME ZONE 'UTC', 'YYYYMM');
    IF to_regclass(part) IS NULL THEN
      BEGIN
        EXECUTE format('CREATE TABLE %I PARTITION OF message_event FOR VALUES FROM (%L) TO (%L)', part, month_start, month_end);
        PERFORM enable_tenant_rls(part::regclass);
        made := made + 1;
      EXCEPTION WHEN check_violation OR duplicate_table THEN
        RAISE NOTICE 'partition % not made: %', part, SQLERRM;
      END;
    END IF;
    month_start := month_end;
  END LOOP;
  RETURN made;
END
$$;
SELECT ensure_message_event_partitions(3);

-- Figures per campaign and UTC day, written in the same transaction as the rows they count. A recipient counts once
-- under each outcome: delivered or bounced (never both), complained and unsubscribed beside them.
CREATE TABLE campaign_stats (
  tenant_id      uuid NOT NULL,
  campaign_id    uuid NOT NULL,
  day            date NOT NULL,
  sent           bigint NOT NULL DEFAULT 0,
  delivered      bigint NOT NULL DEFAULT 0,
  bounced_hard   bigint NOT NULL DEFAULT 0,
  bounced_soft   bigint NOT NULL DEFAULT 0,
  bounced_other  bigint NOT NULL DEFAULT 0,
  deferred       bigint NOT NULL DEFAULT 0,
  complained     bigint NOT NULL DEFAULT 0,
  unsubscribed   bigint NOT NULL DEFAULT 0,
  opens_human    bigint NOT NULL DEFAULT 0,
  opens_proxy    bigint NOT NULL DEFAULT 0,
  opens_scanner  bigint NOT NULL DEFAULT 0,
  opens_unknown  bigint NOT NULL DEFAULT 0,
  unique_opens   bigint NOT NULL DEFAULT 0,
  clicks_human   bigint NOT NULL DEFAULT 0,
  clicks_scanner bigint NOT NULL DEFAULT 0,
  clicks_unknown bigint NOT NULL DEFAULT 0,
  unique_clicks  bigint NOT NULL DEFAULT 0,
  failed         bigint NOT NULL DEFAULT 0,
  ambiguous      bigint NOT NULL DEFAULT 0,
  skipped        bigint NOT NULL DEFAULT 0,
  repeats        bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, campaign_id, day),
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaign (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE INDEX campaign_stats_day_idx ON campaign_stats (tenant_id, day);
SELECT enable_tenant_rls('campaign_stats');

-- Rows of delivery webhooks that could not be applied: no mail of ours found, or not readable.
CREATE TABLE delivery_issue (
  tenant_id   uuid NOT NULL,
  id          uuid NOT NULL,
  source      text NOT NULL CHECK (source IN ('powermta', 'mailwizz')),
  kind        text NOT NULL CHECK (kind IN ('unmatched', 'rejected')),
  reason      text NOT NULL,
  record_type text,
  address     text,
  inbound_id  uuid,
  row_number  integer,
  raw         text NOT NULL,
  occurred_at timestamptz,
  created_at  timestamptz NOT NULL DEFAULT now(),
  dedupe_key  bytea NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, dedupe_key)
);
CREATE INDEX delivery_issue_list_idx ON delivery_issue (tenant_id, created_at DESC, id DESC);
SELECT enable_tenant_rls('delivery_issue');
