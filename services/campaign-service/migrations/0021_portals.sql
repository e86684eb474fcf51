-- Photo portals: a tenant's access to each, and what was collected from it.

CREATE TABLE netlife_portal (
    tenant_id       uuid NOT NULL,
    portal          text NOT NULL,
    credentials     bytea NOT NULL,
    access_key_path text NOT NULL CHECK (access_key_path IN ('accesskeys', 'access_keys')),
    updated_by      uuid NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, portal)
);
SELECT enable_tenant_rls('netlife_portal');

-- `id` is that of the job. What was found is there once `finished_at` is.
CREATE TABLE netlife_collection (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL,
    portal      text NOT NULL,
    options     jsonb NOT NULL,
    contacts    integer NOT NULL DEFAULT 0,
    skipped     jsonb NOT NULL DEFAULT '{}',
    statistics  jsonb NOT NULL DEFAULT '{}',
    failures    text[] NOT NULL DEFAULT '{}',
    import_id   uuid,
    created_by  uuid NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
SELECT enable_tenant_rls('netlife_collection');

-- The CSV in compressed parts, so that any process can hand it out whichever made it.
CREATE TABLE netlife_collection_part (
    tenant_id     uuid NOT NULL,
    collection_id uuid NOT NULL,
    part          integer NOT NULL,
    content       bytea NOT NULL,
    PRIMARY KEY (tenant_id, collection_id, part),
    FOREIGN KEY (tenant_id, collection_id) REFERENCES netlife_collection (tenant_id, id) ON DELETE CASCADE
);
SELECT enable_tenant_rls('netlife_collection_part');
