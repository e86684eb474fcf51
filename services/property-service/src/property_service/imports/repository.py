"""SQL of uploads of open data and their reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.database import Tx

_FINISHED = ("completed", "failed", "cancelled")
_COLUMNS = """i.id AS import_id, i.job_id, i.kind, i.files, i.report, i.created_at, i.started_at,
    coalesce(i.finished_at, j.finished_at) AS finished_at, coalesce(i.error, j.error) AS error,
    coalesce(j.progress, '{}') AS progress,
    CASE WHEN i.status IN ('pending', 'running') AND j.status = 'cancelled' THEN 'cancelled'
         WHEN i.status IN ('pending', 'running') AND j.status = 'failed_permanent' THEN 'failed'
         ELSE i.status END AS status"""
_FROM = "data_import i LEFT JOIN job j ON j.tenant_id = i.tenant_id AND j.id = i.job_id"


async def insert(
    tx: Tx, tenant_id: UUID, import_id: UUID, job_id: UUID, kind: str, files: list[dict[str, Any]], by: UUID
) -> None:
    await tx.execute(
        """INSERT INTO data_import (tenant_id, id, job_id, kind, files, created_by)
           VALUES ($1, $2, $3, $4, $5, $6)""",
        tenant_id,
        import_id,
        job_id,
        kind,
        files,
        by,
    )


async def get(tx: Tx, tenant_id: UUID, import_id: UUID) -> dict[str, Any] | None:
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM {_FROM} WHERE i.tenant_id = $1 AND i.id = $2", tenant_id, import_id
    )
    return dict(row) if row else None


async def page(
    tx: Tx, tenant_id: UUID, kind: str | None, after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Latest first."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM {_FROM}
            WHERE i.tenant_id = $1 AND ($2::text IS NULL OR i.kind = $2) AND ($3::uuid IS NULL OR i.id < $3)
            ORDER BY i.id DESC LIMIT $4""",
        tenant_id,
        kind,
        after,
        limit,
    )
    return [dict(row) for row in rows]


async def set_status(tx: Tx, tenant_id: UUID, import_id: UUID, status: str, error: str | None = None) -> None:
    await tx.execute(
        """UPDATE data_import SET status = $3, error = $4,
               started_at = CASE WHEN $3 = 'running' THEN coalesce(started_at, now()) ELSE started_at END,
               finished_at = CASE WHEN $3 = ANY($5::text[]) THEN now() END
           WHERE tenant_id = $1 AND id = $2 AND status <> 'completed'""",
        tenant_id,
        import_id,
        status,
        error,
        list(_FINISHED),
    )


async def complete(tx: Tx, tenant_id: UUID, import_id: UUID, report: dict[str, Any]) -> None:
    await tx.execute(
        """UPDATE data_import SET status = 'completed', error = NULL, finished_at = clock_timestamp(),
               report = $3 WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        import_id,
        report,
    )


async def reject(
    tx: Tx, tenant_id: UUID, import_id: UUID, number: int, name: str, rejections: Sequence[Sequence[Any]]
) -> None:
    """Note lines that were not taken, as (line, code, reason, raw)."""
    if not rejections:
        return
    lines, codes, reasons, raws = zip(*rejections, strict=True)
    await tx.execute(
        """INSERT INTO data_import_rejection
               (tenant_id, import_id, file_number, file_name, line_number, reason_code, reason, raw)
           SELECT $1, $2, $3, $4, * FROM unnest($5::bigint[], $6::text[], $7::text[], $8::text[])""",
        tenant_id,
        import_id,
        number,
        name,
        lines,
        codes,
        reasons,
        raws,
    )


async def rejections(
    tx: Tx, tenant_id: UUID, import_id: UUID, after: tuple[int, int], limit: int
) -> list[dict[str, Any]]:
    """In the order of files and lines."""
    rows = await tx.fetch(
        """SELECT file_number, file_name, line_number, reason_code, reason, raw FROM data_import_rejection
           WHERE tenant_id = $1 AND import_id = $2 AND (file_number, line_number) > ($3, $4)
           ORDER BY file_number, line_number LIMIT $5""",
        tenant_id,
        import_id,
        *after,
        limit,
    )
    return [dict(row) for row in rows]


async def unfinished(tx: Tx) -> set[str]:
    """Ids of imports of any tenant that still need their files."""
    rows = await tx.fetch(
        f"""SELECT i.id FROM {_FROM}
            WHERE i.status IN ('pending', 'running')
              AND coalesce(j.status, 'pending') IN ('pending', 'running')"""
    )
    return {str(row["id"]) for row in rows}
