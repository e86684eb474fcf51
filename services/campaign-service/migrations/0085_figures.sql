-- How many there are of each kind, kept in the transaction of the change, so that nobody counts big tables.
--
-- A change adds rows that say by how much (`n`) a number has changed; a number is the sum of its rows. Rows are
-- only ever added by writers, so they neither wait for each other nor block each other in a ring; a background
-- task puts rows of one key together now and then. `is_new` are those it has not seen.

CREATE TABLE contact_figure (
  tenant_id         uuid NOT NULL,
  id                bigint GENERATED ALWAYS AS IDENTITY,
  status            text NOT NULL,
  validation_status text NOT NULL,
  language          text NOT NULL,
  source_id         uuid,
  n                 bigint NOT NULL,
  is_new            boolean NOT NULL DEFAULT true,
  PRIMARY KEY (tenant_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

CREATE TABLE tag_figure (
  tenant_id uuid NOT NULL,
  id        bigint GENERATED ALWAYS AS IDENTITY,
  tag_id    uuid NOT NULL,
  n         bigint NOT NULL,
  is_new    boolean NOT NULL DEFAULT true,
  PRIMARY KEY (tenant_id, tag_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- By the UTC day on which they end, so that those which end by themselves need no change.
CREATE TABLE suppression_figure (
  tenant_id  uuid NOT NULL,
  id         bigint GENERATED ALWAYS AS IDENTITY,
  expires_on date,
  n          bigint NOT NULL,
  is_new     boolean NOT NULL DEFAULT true,
  PRIMARY KEY (tenant_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

CREATE TABLE issue_figure (
  tenant_id uuid NOT NULL,
  id        bigint GENERATED ALWAYS AS IDENTITY,
  source    text NOT NULL,
  kind      text NOT NULL,
  reason    text NOT NULL,
  n         bigint NOT NULL,
  is_new    boolean NOT NULL DEFAULT true,
  PRIMARY KEY (tenant_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- accepted_at: when those in `accepted` were, for as long as it matters to the present rate.
CREATE TABLE recipient_figure (
  tenant_id    uuid NOT NULL,
  id           bigint GENERATED ALWAYS AS IDENTITY,
  campaign_id  uuid NOT NULL,
  variant      smallint NOT NULL,
  state        text NOT NULL,
  accepted_at  timestamptz,
  n            bigint NOT NULL,
  accepted     bigint NOT NULL,
  bounced      bigint NOT NULL,
  opened       bigint NOT NULL,
  clicked      bigint NOT NULL,
  unsubscribed bigint NOT NULL,
  is_new       boolean NOT NULL DEFAULT true,
  PRIMARY KEY (tenant_id, campaign_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- What is yet to be put together, over all tenants.
CREATE INDEX contact_figure_new_idx ON contact_figure (tenant_id) WHERE is_new;
CREATE INDEX tag_figure_new_idx ON tag_figure (tenant_id, tag_id) WHERE is_new;
CREATE INDEX suppression_figure_new_idx ON suppression_figure (tenant_id) WHERE is_new;
CREATE INDEX issue_figure_new_idx ON issue_figure (tenant_id) WHERE is_new;
CREATE INDEX recipient_figure_new_idx ON recipient_figure (tenant_id, campaign_id) WHERE is_new;

-- Without enable_sort = off a plan made for one row would sort the hundred thousand of an import.
CREATE FUNCTION count_contacts() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_sort = off AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO contact_figure (tenant_id, status, validation_status, language, source_id, n)
    SELECT tenant_id, status, validation_status, language, source_id, count(*)
    FROM new_rows GROUP BY 1, 2, 3, 4, 5;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO contact_figure (tenant_id, status, validation_status, language, source_id, n)
    SELECT tenant_id, status, validation_status, language, source_id, -count(*)
    FROM old_rows GROUP BY 1, 2, 3, 4, 5;
  ELSE
    INSERT INTO contact_figure (tenant_id, status, validation_status, language, source_id, n)
    SELECT tenant_id, status, validation_status, language, source_id, sum(n)
    FROM (SELECT tenant_id, status, validation_status, language, source_id, 1 AS n FROM new_rows
          UNION ALL
          SELECT tenant_id, status, validation_status, language, source_id, -1 FROM old_rows) c
    GROUP BY 1, 2, 3, 4, 5 HAVING sum(n) <> 0;
  END IF;
  RETURN NULL;
END
$$;

CREATE FUNCTION count_tags() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_sort = off AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO tag_figure (tenant_id, tag_id, n)
    SELECT tenant_id, tag_id, count(*) FROM new_rows GROUP BY 1, 2;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO tag_figure (tenant_id, tag_id, n)
    SELECT tenant_id, tag_id, -count(*) FROM old_rows GROUP BY 1, 2;
  ELSE
    INSERT INTO tag_figure (tenant_id, tag_id, n)
    SELECT tenant_id, tag_id, sum(n)
    FROM (SELECT tenant_id, tag_id, 1 AS n FROM new_rows
          UNION ALL SELECT tenant_id, tag_id, -1 FROM old_rows) t
    GROUP BY 1, 2 HAVING sum(n) <> 0;
  END IF;
  RETURN NULL;
END
$$;

CREATE FUNCTION count_suppressions() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_sort = off AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO suppression_figure (tenant_id, expires_on, n)
    SELECT tenant_id, (expires_at AT TIME ZONE 'UTC')::date, count(*) FROM new_rows GROUP BY 1, 2;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO suppression_figure (tenant_id, expires_on, n)
    SELECT tenant_id, (expires_at AT TIME ZONE 'UTC')::date, -count(*) FROM old_rows GROUP BY 1, 2;
  ELSE
    INSERT INTO suppression_figure (tenant_id, expires_on, n)
    SELECT tenant_id, (expires_at AT TIME ZONE 'UTC')::date, sum(n)
    FROM (SELECT tenant_id, expires_at, 1 AS n FROM new_rows
          UNION ALL SELECT tenant_id, expires_at, -1 FROM old_rows) s
    GROUP BY 1, 2 HAVING sum(n) <> 0;
  END IF;
  RETURN NULL;
END
$$;

CREATE FUNCTION count_issues() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_sort = off AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO issue_figure (tenant_id, source, kind, reason, n)
    SELECT tenant_id, source, kind, reason, count(*) FROM new_rows GROUP BY 1, 2, 3, 4;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO issue_figure (tenant_id, source, kind, reason, n)
    SELECT tenant_id, source, kind, reason, -count(*) FROM old_rows GROUP BY 1, 2, 3, 4;
  ELSE
    INSERT INTO issue_figure (tenant_id, source, kind, reason, n)
    SELECT tenant_id, source, kind, reason, sum(n)
    FROM (SELECT tenant_id, source, kind, reason, 1 AS n FROM new_rows
          UNION ALL SELECT tenant_id, source, kind, reason, -1 FROM old_rows) i
    GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0;
  END IF;
  RETURN NULL;
END
$$;

CREATE FUNCTION count_recipients() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_sort = off AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO recipient_figure (tenant_id, campaign_id, variant, state, accepted_at, n, accepted, bounced,
                                  opened, clicked, unsubscribed)
    SELECT tenant_id, campaign_id, variant, state, accepted_at, count(*), count(accepted_at),
           count(bounced_at), count(first_opened_at), count(first_clicked_at), count(unsubscribed_at)
    FROM new_rows GROUP BY 1, 2, 3, 4, 5;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO recipient_figure (tenant_id, campaign_id, variant, state, accepted_at, n, accepted, bounced,
                                  opened, clicked, unsubscribed)
    SELECT tenant_id, campaign_id, variant, state, accepted_at, -count(*), -count(accepted_at),
           -count(bounced_at), -count(first_opened_at), -count(first_clicked_at), -count(unsubscribed_at)
    FROM old_rows GROUP BY 1, 2, 3, 4, 5;
  ELSE
    INSERT INTO recipient_figure (tenant_id, campaign_id, variant, state, accepted_at, n, accepted, bounced,
                                  opened, clicked, unsubscribed)
    SELECT tenant_id, campaign_id, variant, state, accepted_at, sum(n), sum(accepted), sum(bounced),
           sum(opened), sum(clicked), sum(unsubscribed)
    FROM (SELECT tenant_id, campaign_id, variant, state, accepted_at, count(*) AS n,
                 count(accepted_at) AS accepted, count(bounced_at) AS bounced,
                 count(first_opened_at) AS opened, count(first_clicked_at) AS clicked,
                 count(unsubscribed_at) AS unsubscribed
          FROM new_rows GROUP BY 1, 2, 3, 4, 5
          UNION ALL
          SELECT tenant_id, campaign_id, variant, state, accepted_at, -count(*), -count(accepted_at),
                 -count(bounced_at), -count(first_opened_at), -count(first_clicked_at),
                 -count(unsubscribed_at)
          FROM old_rows GROUP BY 1, 2, 3, 4, 5) r
    GROUP BY 1, 2, 3, 4, 5
    HAVING (sum(n), sum(accepted), sum(bounced), sum(opened), sum(clicked), sum(unsubscribed))
           <> (0, 0, 0, 0, 0, 0);
  END IF;
  RETURN NULL;
END
$$;

DO $$
DECLARE
  counted text;
  counter text;
  figures text;
BEGIN
  FOR counted, counter, figures IN VALUES
    ('contact', 'count_contacts', 'contact_figure'), ('contact_tag', 'count_tags', 'tag_figure'),
    ('suppression', 'count_suppressions', 'suppression_figure'),
    ('delivery_issue', 'count_issues', 'issue_figure'),
    ('campaign_recipient', 'count_recipients', 'recipient_figure')
  LOOP
    EXECUTE format('CREATE TRIGGER figures_of_new AFTER INSERT ON %I REFERENCING NEW TABLE AS new_rows
                    FOR EACH STATEMENT EXECUTE FUNCTION %I()', counted, counter);
    EXECUTE format('CREATE TRIGGER figures_of_changed AFTER UPDATE ON %I
                    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
                    FOR EACH STATEMENT EXECUTE FUNCTION %I()', counted, counter);
    EXECUTE format('CREATE TRIGGER figures_of_gone AFTER DELETE ON %I REFERENCING OLD TABLE AS old_rows
                    FOR EACH STATEMENT EXECUTE FUNCTION %I()', counted, counter);
    -- The owner is no exception to the policies; what is there already is counted past them.
    EXECUTE format('ALTER TABLE %I NO FORCE ROW LEVEL SECURITY', counted);
  END LOOP;
END
$$;

INSERT INTO contact_figure (tenant_id, status, validation_status, language, source_id, n)
SELECT tenant_id, status, validation_status, language, source_id, count(*)
FROM contact GROUP BY 1, 2, 3, 4, 5;
INSERT INTO tag_figure (tenant_id, tag_id, n) SELECT tenant_id, tag_id, count(*) FROM contact_tag GROUP BY 1, 2;
INSERT INTO suppression_figure (tenant_id, expires_on, n)
SELECT tenant_id, (expires_at AT TIME ZONE 'UTC')::date, count(*) FROM suppression GROUP BY 1, 2;
INSERT INTO issue_figure (tenant_id, source, kind, reason, n)
SELECT tenant_id, source, kind, reason, count(*) FROM delivery_issue GROUP BY 1, 2, 3, 4;
INSERT INTO recipient_figure (tenant_id, campaign_id, variant, state, n, accepted, bounced, opened, clicked,
                              unsubscribed)
SELECT tenant_id, campaign_id, variant, state, count(*), count(accepted_at), count(bounced_at),
       count(first_opened_at), count(first_clicked_at), count(unsubscribed_at)
FROM campaign_recipient GROUP BY 1, 2, 3, 4;

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['contact', 'contact_tag', 'suppression', 'delivery_issue', 'campaign_recipient']
  LOOP
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['contact_figure', 'tag_figure', 'suppression_figure', 'issue_figure',
                              'recipient_figure']
  LOOP
    PERFORM enable_tenant_rls(name::regclass);
    -- Rows that go with their tag or campaign are counted in the name of the owner, whoever deletes.
    EXECUTE format('CREATE POLICY cascades ON %I FOR INSERT TO CURRENT_USER WITH CHECK (true)', name);
  END LOOP;
END
$$;

-- Suppressions that end today, and people's clicks link by link: what is still counted row by row.
CREATE INDEX suppression_expiry_idx ON suppression (tenant_id, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX message_event_click_idx ON message_event (tenant_id, campaign_id, link_index, contact_id)
  WHERE type = 'clicked' AND verdict = 'human';
