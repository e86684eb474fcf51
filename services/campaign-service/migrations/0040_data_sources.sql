-- Where contacts come from. `settings` has no secrets; `cursor` is how far a source has been read, and moves
-- in the transaction that stores what was read.

CREATE TABLE data_source (
    tenant_id    uuid NOT NULL,
    id           uuid NOT NULL,
    name         text NOT NULL,
    type         text NOT NULL
                 CHECK (type IN ('scraper-pro', 'backlink-engine', 'csv', 'manual', 'api', 'netlife')),
    settings     jsonb NOT NULL DEFAULT '{}',
    secret       bytea,
    cursor       text,
    last_sync_at timestamptz,
    created_by   uuid NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX data_source_name ON data_source (tenant_id, lower(name));
SELECT enable_tenant_rls('data_source');

-- A source stays while contacts hang on it; reports of what it brought outlive it.
ALTER TABLE contact
    ADD CONSTRAINT contact_source_fkey FOREIGN KEY (tenant_id, source_id) REFERENCES data_source (tenant_id, id);
CREATE INDEX contact_source ON contact (tenant_id, source_id) WHERE source_id IS NOT NULL;

ALTER TABLE contact_import
    ADD COLUMN source_id uuid,
    ADD CONSTRAINT contact_import_source_fkey FOREIGN KEY (tenant_id, source_id)
        REFERENCES data_source (tenant_id, id) ON DELETE SET NULL (source_id);
CREATE INDEX contact_import_source ON contact_import (tenant_id, source_id, id) WHERE source_id IS NOT NULL;
