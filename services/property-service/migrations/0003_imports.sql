-- Uploads of open data by a tenant, and what became of their rows.

CREATE TABLE data_import (
    tenant_id    uuid NOT NULL,
    id           uuid NOT NULL,
    job_id       uuid,
    kind         text NOT NULL CHECK (kind IN ('sales', 'cities')),
    -- [{"name", "path", "size"}], in the order they are read.
    files        jsonb NOT NULL,
    status       text NOT NULL DEFAULT 'pending'
                 CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
    -- Counts of the finished import: rows, rejected, new, changed, unchanged and more.
    report       jsonb NOT NULL DEFAULT '{}',
    error        text,
    created_by   uuid,
    created_at   timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    finished_at  timestamptz,
    PRIMARY KEY (tenant_id, id)
);
SELECT enable_tenant_rls('data_import');

CREATE TABLE data_import_rejection (
    tenant_id    uuid NOT NULL,
    import_id    uuid NOT NULL,
    -- Place of the file in the import, from 1; a zip counts as one file for each member.
    file_number  integer NOT NULL,
    file_name    text NOT NULL,
    line_number  bigint NOT NULL,
    reason_code  text NOT NULL,
    reason       text NOT NULL,
    raw          text NOT NULL,
    PRIMARY KEY (tenant_id, import_id, file_number, line_number),
    FOREIGN KEY (tenant_id, import_id) REFERENCES data_import (tenant_id, id) ON DELETE CASCADE
);
SELECT enable_tenant_rls('data_import_rejection');

-- Files of property sources as they were when last read, for conditional requests.
CREATE TABLE source_file (
    location       text NOT NULL PRIMARY KEY,
    version        text NOT NULL,
    checked_at     timestamptz NOT NULL,
    imported_at    timestamptz NOT NULL
);
SELECT enable_system_table('source_file');
