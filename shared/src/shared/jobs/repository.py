"""SQL of jobs. Times come from the caller's clock, so that tests can move it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from shared.database import Tx
from shared.jobs.models import Job, JobAlreadyActive, LogLine, NewJob, Status

MAX_LOG_LINES = 1_000
MAX_LINE_LENGTH = 2_000

_COLUMNS = (
    "id, tenant_id, type, unique_key, status, payload, progress, result, error, attempt, max_attempts,"
    " run_at, cancel_requested, created_by, created_at, started_at, finished_at"
)
_UNLOCK = "lock_token = NULL, locked_by = NULL, heartbeat_at = NULL"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job this worker holds, and the token that proves it."""

    job: Job
    token: UUID


def _job(row: Any) -> Job:
    return Job.model_construct(**{name: row[name] for name in Job.model_fields})


async def insert(tx: Tx, job: NewJob) -> Job:
    """Store a job; `JobAlreadyActive` when one with its unique key waits or runs."""
    while True:
        row = await tx.fetchrow(
            "INSERT INTO job (id, tenant_id, type, unique_key, payload, max_attempts, run_at, created_by,"
            " created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
            " ON CONFLICT (tenant_id, type, unique_key)"
            " WHERE unique_key IS NOT NULL AND status IN ('pending', 'running') DO NOTHING"
            f" RETURNING {_COLUMNS}",
            job.id,
            job.tenant_id,
            job.type,
            job.unique_key,
            job.payload,
            job.max_attempts,
            job.run_at,
            job.created_by,
            job.created_at,
        )
        if row is not None:
            return _job(row)
        active = await find_active(tx, job.tenant_id, job.type, job.unique_key)
        if active is not None:
            raise JobAlreadyActive(active)


async def find_active(tx: Tx, tenant_id: UUID | None, job_type: str, unique_key: str | None) -> UUID | None:
    found: UUID | None = await tx.fetchval(
        "SELECT id FROM job WHERE tenant_id IS NOT DISTINCT FROM $1 AND type = $2 AND unique_key = $3"
        " AND status IN ('pending', 'running')",
        tenant_id,
        job_type,
        unique_key,
    )
    return found


# Workers: system transactions over all tenants


async def claim(tx: Tx, types: Sequence[str], limit: int, worker: str, now: datetime) -> list[Claimed]:
    """Take up to `limit` due jobs of types that are not paused, longest due first."""
    rows = await tx.fetch(
        "WITH due AS (SELECT j.id FROM job j WHERE j.status = 'pending' AND j.run_at <= $4"
        " AND j.type = ANY($1::text[])"
        " AND NOT EXISTS (SELECT 1 FROM queue_control q WHERE q.type = j.type AND q.is_paused)"
        " ORDER BY j.run_at, j.id LIMIT $2 FOR UPDATE OF j SKIP LOCKED)"
        " UPDATE job SET status = 'running', attempt = attempt + 1, lock_token = gen_random_uuid(),"
        " locked_by = $3, heartbeat_at = $4, started_at = $4"
        f" WHERE id IN (SELECT id FROM due) RETURNING {_COLUMNS}, lock_token",
        list(types),
        limit,
        worker,
        now,
    )
    return [Claimed(_job(row), row["lock_token"]) for row in rows]


async def heartbeat(tx: Tx, held: Sequence[tuple[UUID, UUID]], now: datetime) -> dict[UUID, bool]:
    """Renew leases given as (job, token); of those still held, whether each is asked to stop."""
    rows = await tx.fetch(
        "UPDATE job SET heartbeat_at = $3 FROM unnest($1::uuid[], $2::uuid[]) AS held (id, token)"
        " WHERE job.id = held.id AND job.lock_token = held.token RETURNING job.id, job.cancel_requested",
        [job_id for job_id, _ in held],
        [token for _, token in held],
        now,
    )
    return {row["id"]: row["cancel_requested"] for row in rows}


async def asked_to_stop(tx: Tx, job_ids: Sequence[UUID]) -> list[UUID]:
    rows = await tx.fetch("SELECT id FROM job WHERE id = ANY($1::uuid[]) AND cancel_requested", list(job_ids))
    return [row["id"] for row in rows]


async def claim_stale(tx: Tx, before: datetime, limit: int = 100) -> list[Claimed]:
    """Lock jobs whose worker has not been heard of since `before`."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS}, lock_token FROM job WHERE status = 'running' AND heartbeat_at < $1"
        " ORDER BY heartbeat_at LIMIT $2 FOR UPDATE SKIP LOCKED",
        before,
        limit,
    )
    return [Claimed(_job(row), row["lock_token"]) for row in rows]


async def finish(
    tx: Tx,
    held: Claimed,
    status: Status,
    now: datetime,
    *,
    result: dict[str, Any] | None = None,
    error: str | None = None,
    progress: dict[str, Any] | None = None,
) -> bool:
    """End a job; False when this token no longer holds it."""
    changed = await tx.affected(
        f"UPDATE job SET status = $3, finished_at = $4, result = $5, error = $6,"
        f" progress = coalesce($7, progress), {_UNLOCK}"
        " WHERE id = $1 AND lock_token = $2 AND status = 'running'",
        held.job.id,
        held.token,
        status,
        now,
        result,
        error,
        progress,
    )
    return changed == 1


async def put_back(
    tx: Tx, held: Claimed, run_at: datetime, *, error: str | None, counts: bool = True
) -> bool:
    """Let a job wait until `run_at`. With `counts=False` this attempt is not counted."""
    changed = await tx.affected(
        f"UPDATE job SET status = 'pending', run_at = $3, error = coalesce($4, error),"
        f" attempt = attempt - $5, {_UNLOCK}"
        " WHERE id = $1 AND lock_token = $2 AND status = 'running'",
        held.job.id,
        held.token,
        run_at,
        error,
        0 if counts else 1,
    )
    return changed == 1


async def save_progress(tx: Tx, held: Claimed, progress: dict[str, Any]) -> bool | None:
    """Whether the job is asked to stop; None when this token no longer holds it."""
    asked: bool | None = await tx.fetchval(
        "UPDATE job SET progress = $3 WHERE id = $1 AND lock_token = $2 RETURNING cancel_requested",
        held.job.id,
        held.token,
        progress,
    )
    return asked


async def holds(tx: Tx, held: Claimed) -> bool:
    found = await tx.fetchval(
        "SELECT true FROM job WHERE id = $1 AND tenant_id IS NOT DISTINCT FROM $2 AND lock_token = $3",
        held.job.id,
        held.job.tenant_id,
        held.token,
    )
    return bool(found)


async def add_log(tx: Tx, held: Claimed, level: str, line: str, now: datetime) -> bool:
    """Add a line; after `MAX_LOG_LINES` a last one says that the rest is left out. False: not held."""
    seq = await tx.fetchval(
        "UPDATE job SET log_lines = least(log_lines + 1, $3) WHERE id = $1 AND lock_token = $2"
        " RETURNING log_lines",
        held.job.id,
        held.token,
        MAX_LOG_LINES + 1,
    )
    if seq is None:
        return False
    if seq > MAX_LOG_LINES:
        level, line = "warning", "further lines are left out"
    await tx.execute(
        "INSERT INTO job_log (job_id, seq, tenant_id, at, level, line) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT DO NOTHING",
        held.job.id,
        seq,
        held.job.tenant_id,
        now,
        level,
        line[:MAX_LINE_LENGTH].replace("\x00", "\ufffd"),
    )
    return True


# The tenant's view


async def list_jobs(
    tx: Tx, tenant_id: UUID, *, job_type: str | None, status: str | None, before: UUID | None, limit: int
) -> list[Job]:
    """Newest first, from the one before `before`."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM job WHERE tenant_id = $1 AND ($2::text IS NULL OR type = $2)"
        " AND ($3::text IS NULL OR status = $3) AND ($4::uuid IS NULL OR id < $4) ORDER BY id DESC LIMIT $5",
        tenant_id,
        job_type,
        status,
        before,
        limit,
    )
    return [_job(row) for row in rows]


async def get(tx: Tx, tenant_id: UUID | None, job_id: UUID, *, lock: bool = False) -> Job | None:
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM job WHERE tenant_id IS NOT DISTINCT FROM $1 AND id = $2"
        + (" FOR UPDATE" if lock else ""),
        tenant_id,
        job_id,
    )
    return _job(row) if row else None


async def logs(tx: Tx, tenant_id: UUID, job_id: UUID, after: int, limit: int) -> list[LogLine]:
    rows = await tx.fetch(
        "SELECT seq, at, level, line FROM job_log WHERE tenant_id = $1 AND job_id = $2 AND seq > $3"
        " ORDER BY seq LIMIT $4",
        tenant_id,
        job_id,
        after,
        limit,
    )
    return [LogLine.model_construct(**dict(row)) for row in rows]


async def request_cancel(tx: Tx, tenant_id: UUID | None, job_id: UUID, now: datetime) -> Job | None:
    """Cancel a waiting job at once, ask a running one to stop; None when it is neither."""
    row = await tx.fetchrow(
        "UPDATE job SET cancel_requested = true,"
        " status = CASE WHEN status = 'pending' THEN 'cancelled' ELSE status END,"
        " finished_at = CASE WHEN status = 'pending' THEN $3 ELSE finished_at END"
        " WHERE tenant_id IS NOT DISTINCT FROM $1 AND id = $2 AND status IN ('pending', 'running')"
        f" RETURNING {_COLUMNS}",
        tenant_id,
        job_id,
        now,
    )
    return _job(row) if row else None


async def requeue(tx: Tx, tenant_id: UUID | None, job_id: UUID, now: datetime) -> Job | None:
    """Give a dead or cancelled job fresh attempts; None when it is neither.

    `JobAlreadyActive` when another job with its unique key is active by now; the transaction is then void.
    """
    try:
        row = await tx.fetchrow(
            "UPDATE job SET status = 'pending', attempt = 0, run_at = $3, error = NULL, finished_at = NULL,"
            " cancel_requested = false WHERE tenant_id IS NOT DISTINCT FROM $1 AND id = $2"
            f" AND status IN ('failed_permanent', 'cancelled') RETURNING {_COLUMNS}",
            tenant_id,
            job_id,
            now,
        )
    except asyncpg.UniqueViolationError:
        raise JobAlreadyActive(job_id) from None
    return _job(row) if row else None


# Operation


async def set_paused(tx: Tx, job_type: str, paused: bool, now: datetime) -> None:
    await tx.execute(
        "INSERT INTO queue_control (type, is_paused, changed_at) VALUES ($1, $2, $3)"
        " ON CONFLICT (type) DO UPDATE SET is_paused = $2, changed_at = $3",
        job_type,
        paused,
        now,
    )


async def know_schedule(tx: Tx, name: str, now: datetime) -> None:
    await tx.execute(
        "INSERT INTO job_schedule (name, known_since) VALUES ($1, $2) ON CONFLICT DO NOTHING", name, now
    )


async def take_due_time(tx: Tx, name: str, due_at: datetime) -> bool:
    """True for the one worker that may run this due time."""
    taken = await tx.affected(
        "INSERT INTO job_schedule_run (name, due_at) SELECT name, $2 FROM job_schedule"
        " WHERE name = $1 AND NOT is_paused AND known_since < $2 ON CONFLICT DO NOTHING",
        name,
        due_at,
    )
    return taken == 1


async def note_schedule_run(tx: Tx, name: str, due_at: datetime, job_id: UUID) -> None:
    await tx.execute(
        "UPDATE job_schedule_run SET job_id = $3 WHERE name = $1 AND due_at = $2", name, due_at, job_id
    )


async def counts(tx: Tx) -> dict[str, int]:
    """Jobs waiting and running, by `<type> <status>`."""
    rows = await tx.fetch(
        "SELECT type, status, count(*) AS jobs FROM job WHERE status IN ('pending', 'running')"
        " GROUP BY type, status"
    )
    return {f"{row['type']} {row['status']}": row["jobs"] for row in rows}


_OLD = {
    "jobs": "DELETE FROM job WHERE id = ANY (ARRAY(SELECT id FROM job WHERE finished_at < $1 LIMIT $2))",
    "schedule_runs": "DELETE FROM job_schedule_run r USING (SELECT name, due_at FROM job_schedule_run old"
    " WHERE due_at < $1 AND EXISTS (SELECT 1 FROM job_schedule_run newer WHERE newer.name = old.name"
    " AND newer.due_at > old.due_at) LIMIT $2) o WHERE r.name = o.name AND r.due_at = o.due_at",
    "idempotency_keys": "DELETE FROM idempotency_key WHERE ctid = ANY (ARRAY(SELECT ctid FROM idempotency_key"
    " WHERE expires_at < $1 LIMIT $2))",
    "rate_counters": "DELETE FROM rate_counter WHERE ctid = ANY (ARRAY(SELECT ctid FROM rate_counter"
    " WHERE window_start < $1 LIMIT $2))",
    "cache_entries": "DELETE FROM cache_entry WHERE ctid = ANY (ARRAY(SELECT ctid FROM cache_entry"
    " WHERE expires_at < $1 LIMIT $2))",
}
RETAINED = tuple(_OLD)


async def forget_old(tx: Tx, what: str, before: datetime, limit: int = 5_000) -> int:
    """Delete up to `limit` rows of one of `RETAINED` that ended before a time; how many there were."""
    return await tx.affected(_OLD[what], before, limit)
