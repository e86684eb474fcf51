"""SQL of job figures."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from shared.database import Tx


async def counts(tx: Tx, tenant_id: UUID) -> list[dict[str, Any]]:
    """Number of jobs by type and status."""
    rows = await tx.fetch(
        "SELECT type, status, count(*) AS number FROM job WHERE tenant_id = $1 GROUP BY 1, 2 ORDER BY 1, 2",
        tenant_id,
    )
    return [dict(row) for row in rows]


async def known(tx: Tx, job_ids: list[UUID]) -> set[UUID]:
    """Those of some jobs, of all tenants, that are on record; in a system transaction."""
    rows = await tx.fetch("SELECT id FROM job WHERE id = ANY ($1::uuid[])", job_ids)
    return {row["id"] for row in rows}
