-- Background jobs: this table is the only truth about them.

CREATE TABLE job (
    id                uuid PRIMARY KEY,
    tenant_id         uuid,                         -- NULL: a job of the installation (retention, sweeps)
    type              text NOT NULL,
    unique_key        text,
    status            text NOT NULL DEFAULT 'pending'
                      CHECK (status IN ('pending', 'running', 'completed', 'failed_permanent', 'cancelled')),
    payload           jsonb NOT NULL DEFAULT '{}',
    progress          jsonb NOT NULL DEFAULT '{}',
    result            jsonb,
    error             text,                         -- of the latest attempt; kept while the job waits for the next
    attempt           int NOT NULL DEFAULT 0,       -- attempts begun
    max_attempts      int NOT NULL DEFAULT 3 CHECK (max_attempts > 0),
    run_at            timestamptz NOT NULL,
    lock_token        uuid,                         -- fences every write of the worker that holds the job
    locked_by         text,
    heartbeat_at      timestamptz,
    cancel_requested  boolean NOT NULL DEFAULT false,
    log_lines         int NOT NULL DEFAULT 0,
    created_by        text,
    created_at        timestamptz NOT NULL,
    started_at        timestamptz,
    finished_at       timestamptz,
    UNIQUE (tenant_id, id),
    CHECK ((status = 'running') = (lock_token IS NOT NULL))
) WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);

CREATE UNIQUE INDEX job_unique_active ON job (tenant_id, type, unique_key) NULLS NOT DISTINCT
    WHERE unique_key IS NOT NULL AND status IN ('pending', 'running');
CREATE INDEX job_claim ON job (run_at, id) WHERE status = 'pending';
CREATE INDEX job_lease ON job (heartbeat_at) WHERE status = 'running';
CREATE INDEX job_retention ON job (finished_at) WHERE finished_at IS NOT NULL;

SELECT enable_tenant_rls('job');

CREATE TABLE job_log (
    job_id     uuid NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    seq        int NOT NULL,
    tenant_id  uuid,
    at         timestamptz NOT NULL,
    level      text NOT NULL CHECK (level IN ('debug', 'info', 'warning', 'error')),
    line       text NOT NULL,
    PRIMARY KEY (job_id, seq)
);

SELECT enable_tenant_rls('job_log');

-- One row per schedule, so that a new one does not catch up on times before it was known.
CREATE TABLE job_schedule (
    name         text PRIMARY KEY,
    known_since  timestamptz NOT NULL,
    is_paused    boolean NOT NULL DEFAULT false
);

SELECT enable_system_table('job_schedule');

-- The unique key is the election: whoever inserts a due time runs it.
CREATE TABLE job_schedule_run (
    name    text NOT NULL REFERENCES job_schedule (name) ON DELETE CASCADE,
    due_at  timestamptz NOT NULL,
    job_id  uuid,
    PRIMARY KEY (name, due_at)
);

SELECT enable_system_table('job_schedule_run');

CREATE TABLE queue_control (
    type        text PRIMARY KEY,                   -- of jobs
    is_paused   boolean NOT NULL DEFAULT false,
    changed_at  timestamptz NOT NULL DEFAULT now()
);

SELECT enable_system_table('queue_control');
