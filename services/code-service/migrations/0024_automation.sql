-- What a job does at the ticket shop, row by row: a job that was killed goes on at the row it was killed at.

CREATE TABLE automation_step (
    tenant_id   uuid NOT NULL,
    job_id      uuid NOT NULL,
    place       integer NOT NULL,               -- in the order of doing
    line        integer NOT NULL,               -- of the file
    code        text NOT NULL,
    new_code    text,
    wanted      jsonb NOT NULL DEFAULT '{}',
    -- doing: written before the shop is asked. A job that finds such a row does not know whether it was done.
    state       text NOT NULL CHECK (state IN ('pending', 'doing', 'done', 'skipped', 'failed')),
    tries       integer NOT NULL DEFAULT 0,
    reason      text,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, job_id, place),
    FOREIGN KEY (tenant_id, job_id) REFERENCES job (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 80);
CREATE INDEX automation_step_open ON automation_step (tenant_id, job_id, place) WHERE state IN ('pending', 'doing');
SELECT enable_tenant_rls('automation_step');
