"""SQL of processing jobs as users see them, and of what they came to.

Users know a job that waits for its next attempt as `failed`, one that runs as `processing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx

_STATUS = """CASE WHEN j.status = 'running' THEN 'processing'
    WHEN j.status = 'pending' AND j.error IS NOT NULL THEN 'failed' ELSE j.status END"""
_COLUMNS = f"""j.id AS job_id, (j.payload->>'client_id')::uuid AS client_id, j.type AS job_type,
    {_STATUS} AS status, j.attempt AS attempt_count, r.assigned AS properties_assigned,
    j.error AS error_message, j.created_at, j.progress, j.result,
    coalesce(j.finished_at, j.heartbeat_at, j.started_at, j.created_at) AS updated_at,
    CASE WHEN j.status = 'pending' THEN j.run_at END AS next_attempt"""
_FROM = "job j LEFT JOIN client_run r ON r.tenant_id = j.tenant_id AND r.job_id = j.id"


async def get(tx: Tx, tenant_id: UUID, job_id: UUID) -> dict[str, Any] | None:
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM {_FROM} WHERE j.tenant_id = $1 AND j.id = $2", tenant_id, job_id
    )
    return dict(row) if row else None


async def page(
    tx: Tx, tenant_id: UUID, job_type: str, status: str | None, limit: int, offset: int
) -> list[dict[str, Any]]:
    """Latest first, each with its client's name and address."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS}, c.first_name, c.last_name, c.email
            FROM {_FROM}
            LEFT JOIN client c ON c.tenant_id = j.tenant_id AND c.id = (j.payload->>'client_id')::uuid
            WHERE j.tenant_id = $1 AND j.type = $2 AND ($3::text IS NULL OR {_STATUS} = $3)
            ORDER BY j.id DESC LIMIT $4 OFFSET $5""",
        tenant_id,
        job_type,
        status,
        limit,
        offset,
    )
    return [dict(row) for row in rows]


async def counts(tx: Tx, tenant_id: UUID, job_type: str) -> dict[str, int]:
    """Number of jobs by status."""
    rows = await tx.fetch(
        f"SELECT {_STATUS} AS status, count(*) AS number FROM job j"
        " WHERE j.tenant_id = $1 AND j.type = $2 GROUP BY 1",
        tenant_id,
        job_type,
    )
    return {row["status"]: row["number"] for row in rows}


async def find_run(tx: Tx, tenant_id: UUID, job_id: UUID) -> dict[str, Any] | None:
    """What a job has come to already."""
    row = await tx.fetchrow(
        "SELECT client_id, wanted, assigned FROM client_run WHERE tenant_id = $1 AND job_id = $2",
        tenant_id,
        job_id,
    )
    return dict(row) if row else None


async def record_run(
    tx: Tx, tenant_id: UUID, job_id: UUID, client_id: UUID, wanted: int, assigned: int, now: datetime
) -> None:
    await tx.execute(
        "INSERT INTO client_run (tenant_id, job_id, client_id, wanted, assigned, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        tenant_id,
        job_id,
        client_id,
        wanted,
        assigned,
        now,
    )


async def hurry(
    tx: Tx, tenant_id: UUID, job_type: str, now: datetime, *, also_not_due: bool
) -> dict[UUID, int]:
    """Make jobs that have failed and wait run now: those whose time has come, or all. Job to attempt."""
    rows = await tx.fetch(
        """UPDATE job SET run_at = $3 WHERE tenant_id = $1 AND type = $2 AND status = 'pending'
               AND error IS NOT NULL AND (run_at <= $3 OR $4) RETURNING id, attempt""",
        tenant_id,
        job_type,
        now,
        also_not_due,
    )
    return {row["id"]: row["attempt"] for row in rows}


async def states(tx: Tx, tenant_id: UUID, job_ids: Sequence[UUID]) -> dict[UUID, tuple[str, int]]:
    """Status as the table has it, and attempts begun."""
    rows = await tx.fetch(
        "SELECT id, status, attempt FROM job WHERE tenant_id = $1 AND id = ANY ($2::uuid[])",
        tenant_id,
        list(job_ids),
    )
    return {row["id"]: (row["status"], row["attempt"]) for row in rows}


async def delete_ended(tx: Tx, tenant_id: UUID, before: datetime) -> int:
    """Delete jobs of every kind that ended before a time; jobs that wait for another attempt have not."""
    return await tx.affected(
        "DELETE FROM job WHERE tenant_id = $1 AND finished_at < $2"
        " AND status IN ('completed', 'failed_permanent', 'cancelled')",
        tenant_id,
        before,
    )
