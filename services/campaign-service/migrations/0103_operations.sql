-- One thing done to many contacts, chosen by a filter or a segment as it was asked for. `cursor` is the last
-- contact that is done; it moves in the transaction that does it. An export's file counts up to `size` bytes.
CREATE TABLE contact_operation (
  tenant_id  uuid NOT NULL,
  id         uuid NOT NULL,
  job_id     uuid NOT NULL,
  action     text NOT NULL CHECK (action IN ('tag', 'untag', 'status', 'delete', 'validate', 'export')),
  request    jsonb NOT NULL,
  total      bigint NOT NULL,
  cursor     uuid,
  done       bigint NOT NULL DEFAULT 0,
  changed    bigint NOT NULL DEFAULT 0,
  path       text,
  size       bigint NOT NULL DEFAULT 0,
  created_by uuid NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
SELECT enable_tenant_rls('contact_operation');
