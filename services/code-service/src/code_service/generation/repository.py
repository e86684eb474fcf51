"""SQL of batches and of storing many codes at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx
from shared.utils import uuid7


@dataclass(frozen=True, slots=True)
class NewCode:
    """A code about to be stored; `line` is its line in a file, 0 for none."""

    code: str
    type: str
    pool: str
    expires_at: datetime | None
    limit_per_order: int | None
    limit_per_ticket: int | None
    metadata: dict[str, Any]
    line: int = 0


async def insert_batch(tx: Tx, tenant_id: UUID, batch: dict[str, Any]) -> None:
    await tx.execute(
        """INSERT INTO code_batch (tenant_id, id, kind, job_id, filename, wanted, created_by, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
        tenant_id,
        *(batch[name] for name in ("id", "kind", "job_id", "filename", "wanted", "created_by", "created_at")),
    )


async def get_batch(tx: Tx, tenant_id: UUID, batch_id: UUID) -> dict[str, Any] | None:
    row = await tx.fetchrow(
        """SELECT id, kind, job_id, filename, wanted, made, rejected, read_to, created_by, created_at
           FROM code_batch WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        batch_id,
    )
    return dict(row) if row else None


async def unfinished_imports(tx: Tx) -> set[str]:
    """Ids of batches, over all tenants, whose file a job still needs."""
    rows = await tx.fetch(
        """SELECT b.id FROM code_batch b JOIN job j ON j.id = b.job_id
           WHERE b.kind = 'import' AND j.status IN ('pending', 'running')"""
    )
    return {str(row["id"]) for row in rows}


async def advance(
    tx: Tx, tenant_id: UUID, batch_id: UUID, *, made: int, rejected: int = 0, read_to: int = 0
) -> None:
    """Count what a step has done, in the step's own transaction."""
    await tx.execute(
        """UPDATE code_batch SET made = made + $3, rejected = rejected + $4, read_to = greatest(read_to, $5)
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        batch_id,
        made,
        rejected,
        read_to,
    )


async def insert_codes(
    tx: Tx, tenant_id: UUID, batch_id: UUID, codes: Sequence[NewCode], by: dict[str, Any], now: datetime
) -> set[str]:
    """Store codes with the first line of their history; the codes that are new, as written."""
    rows = await tx.fetch(
        """WITH made AS (
               INSERT INTO code (tenant_id, id, code, type, pool, expires_at, limit_per_order,
                                 limit_per_ticket, metadata, batch_id, created_at, updated_at)
               SELECT $1, n.id, n.code, n.type, n.pool, n.expires_at, n.per_order, n.per_ticket, n.metadata,
                      $2, $11, $11
               FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::int[],
                           $9::int[], $10::jsonb[])
                    AS n(id, code, type, pool, expires_at, per_order, per_ticket, metadata)
               ON CONFLICT (tenant_id, code_norm) DO NOTHING RETURNING id, code
           ), noted AS (
               INSERT INTO code_event (tenant_id, code_id, action, to_status, actor, reason, request_id, at)
               SELECT $1, id, 'create', 'available', $12, $13, $14, $11 FROM made
           )
           SELECT code FROM made""",
        tenant_id,
        batch_id,
        [uuid7() for _ in codes],
        [one.code for one in codes],
        [one.type for one in codes],
        [one.pool for one in codes],
        [one.expires_at for one in codes],
        [one.limit_per_order for one in codes],
        [one.limit_per_ticket for one in codes],
        [one.metadata for one in codes],
        now,
        by["actor"],
        by["reason"],
        by["request_id"],
    )
    return {row["code"] for row in rows}


async def refresh_statistics(tx: Tx) -> None:
    """Tell the planner of many new codes at once, not when autovacuum comes by."""
    await tx.execute("SELECT refresh_code_statistics()")


async def reject(tx: Tx, tenant_id: UUID, batch_id: UUID, rows: Sequence[tuple[int, str, str, str]]) -> None:
    """Keep rows that became no code: line, reason code, reason, the row itself."""
    await tx.execute(
        """INSERT INTO code_rejection (tenant_id, batch_id, line_number, reason_code, reason, raw)
           SELECT $1, $2, * FROM unnest($3::int[], $4::text[], $5::text[], $6::text[])""",
        tenant_id,
        batch_id,
        *([row[place] for row in rows] for place in range(4)),
    )


async def rejections(
    tx: Tx, tenant_id: UUID, batch_id: UUID, after: int | None, limit: int
) -> list[dict[str, Any]]:
    """In the order of the file."""
    rows = await tx.fetch(
        """SELECT line_number, reason_code, reason, raw FROM code_rejection
           WHERE tenant_id = $1 AND batch_id = $2 AND ($3::int IS NULL OR line_number > $3)
           ORDER BY line_number LIMIT $4""",
        tenant_id,
        batch_id,
        after,
        limit,
    )
    return [dict(row) for row in rows]
