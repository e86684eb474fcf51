-- Files that mails carry. A file never changes; deleting it takes the content away and leaves its name for the
-- record of what was sent. One that came with a single message (is_listed false) is that message's alone.
CREATE TABLE attachment (
  tenant_id    uuid NOT NULL,
  id           uuid NOT NULL,
  name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  content_type text NOT NULL,
  size         integer NOT NULL CHECK (size > 0),
  sha256       bytea NOT NULL,
  content      bytea,
  is_listed    boolean NOT NULL DEFAULT true,
  created_by   uuid,
  created_at   timestamptz NOT NULL DEFAULT now(),
  deleted_at   timestamptz,
  PRIMARY KEY (tenant_id, id),
  CHECK ((content IS NULL) = (deleted_at IS NOT NULL))
);
-- Most files are compressed already: trying again costs time and gains nothing.
ALTER TABLE attachment ALTER COLUMN content SET STORAGE EXTERNAL;
SELECT enable_tenant_rls('attachment');

-- Which mails carry a file: those of a template's version, of a campaign, or one single message.
CREATE TABLE mail_attachment (
  tenant_id        uuid NOT NULL,
  id               uuid NOT NULL,
  attachment_id    uuid NOT NULL,
  content_id       text,
  template_id      uuid,
  template_version integer,
  campaign_id      uuid,
  message_id       uuid,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, attachment_id) REFERENCES attachment (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, template_id) REFERENCES template (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaign (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, message_id) REFERENCES message (tenant_id, id) ON DELETE CASCADE,
  CHECK (num_nonnulls(template_id, campaign_id, message_id) = 1),
  CHECK ((template_id IS NULL) = (template_version IS NULL))
);
CREATE INDEX mail_attachment_file ON mail_attachment (tenant_id, attachment_id);
CREATE UNIQUE INDEX mail_attachment_template
  ON mail_attachment (tenant_id, template_id, template_version, attachment_id) WHERE template_id IS NOT NULL;
CREATE UNIQUE INDEX mail_attachment_campaign
  ON mail_attachment (tenant_id, campaign_id, attachment_id) WHERE campaign_id IS NOT NULL;
CREATE UNIQUE INDEX mail_attachment_message
  ON mail_attachment (tenant_id, message_id, attachment_id) WHERE message_id IS NOT NULL;
SELECT enable_tenant_rls('mail_attachment');
