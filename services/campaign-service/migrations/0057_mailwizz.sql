-- How far a campaign's records were read from MailWizz, and which were taken in: they have no dates to go by.
CREATE TABLE mailwizz_cursor (
    tenant_id   uuid NOT NULL,
    campaign_id uuid NOT NULL,
    stream      text NOT NULL
      CHECK (stream IN ('delivery-logs', 'bounces', 'complaints', 'unsubscribes')),
    seen        integer NOT NULL DEFAULT 0 CHECK (seen >= 0),
    polled_at   timestamptz NOT NULL,
    whole_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, campaign_id, stream),
    FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaign (tenant_id, id) ON DELETE CASCADE
);
SELECT enable_tenant_rls('mailwizz_cursor');

CREATE TABLE mailwizz_record (
    tenant_id   uuid NOT NULL,
    campaign_id uuid NOT NULL,
    key         bytea NOT NULL,
    PRIMARY KEY (tenant_id, campaign_id, key),
    FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaign (tenant_id, id) ON DELETE CASCADE
);
SELECT enable_tenant_rls('mailwizz_record');
