"""SQL of operations on many contacts: who is meant, and how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx

#: A condition on contact `c` and its parameters, the first of which is the tenant.
Choice = tuple[str, list[Any]]


async def moment(tx: Tx) -> datetime:
    """The database's time: contacts are made by its clock."""
    found: datetime = await tx.fetchval("SELECT now()")
    return found


async def count(tx: Tx, choice: Choice, until: datetime) -> int:
    """How many contacts are meant of those that were there at `until`."""
    condition, params = choice
    sql = f"""SELECT count(*) FROM contact c
              WHERE c.tenant_id = $1 AND c.created_at <= ${len(params) + 1} AND {condition}"""
    return int(await tx.fetchval(sql, *params, until))


async def next_ids(tx: Tx, choice: Choice, until: datetime, after: UUID | None, limit: int) -> list[UUID]:
    """The next ones meant, in the order of ids."""
    condition, params = choice
    n = len(params)
    rows = await tx.fetch(
        f"""SELECT c.id FROM contact c
            WHERE c.tenant_id = $1 AND c.created_at <= ${n + 1}
              AND (${n + 2}::uuid IS NULL OR c.id > ${n + 2}) AND {condition}
            ORDER BY c.id LIMIT ${n + 3}""",
        *params,
        until,
        after,
        limit,
    )
    return [row["id"] for row in rows]


async def insert(tx: Tx, tenant_id: UUID, values: dict[str, Any]) -> None:
    """`values`: id, job_id, action, request, total, created_by, created_at."""
    names = ("id", "job_id", "action", "request", "total", "created_by", "created_at")
    await tx.execute(
        f"""INSERT INTO contact_operation (tenant_id, {", ".join(names)})
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
        tenant_id,
        *(values[name] for name in names),
    )


async def get(tx: Tx, tenant_id: UUID, operation_id: UUID, *, lock: bool = False) -> dict[str, Any] | None:
    """With the status and error of its job, as long as there is one."""
    row = await tx.fetchrow(
        f"""SELECT o.*, o.path IS NOT NULL AS has_file, coalesce(j.status, 'completed') AS status, j.error,
                  j.finished_at
           FROM contact_operation o LEFT JOIN job j ON j.tenant_id = o.tenant_id AND j.id = o.job_id
           WHERE o.tenant_id = $1 AND o.id = $2 {"FOR UPDATE OF o" if lock else ""}""",
        tenant_id,
        operation_id,
    )
    return dict(row) if row else None


async def advance(
    tx: Tx,
    tenant_id: UUID,
    operation_id: UUID,
    cursor: UUID,
    done: int,
    changed: int,
    file: tuple[str, int] | None,
) -> bool:
    """Note what was done in this transaction; `file` is an export's path and how much of it counts.

    False, and nothing is noted, when the file was withdrawn.
    """
    path, size = file or (None, 0)
    return bool(
        await tx.affected(
            """UPDATE contact_operation SET cursor = $3, done = done + $4, changed = changed + $5, size = $7
               WHERE tenant_id = $1 AND id = $2 AND path IS NOT DISTINCT FROM $6""",
            tenant_id,
            operation_id,
            cursor,
            done,
            changed,
            path,
            size,
        )
    )


async def start_file(tx: Tx, tenant_id: UUID, operation_id: UUID, path: str, size: int) -> None:
    await tx.execute(
        """UPDATE contact_operation SET path = $3, size = $4, file_withdrawn_at = NULL,
               done = CASE WHEN cursor IS NULL THEN 0 ELSE done END
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        operation_id,
        path,
        size,
    )


async def forget_files(tx: Tx, before: datetime) -> list[str]:
    """Paths of files of any tenant that were asked for before then, which nobody may fetch any more."""
    rows = await tx.fetch(
        """WITH old AS (SELECT tenant_id, id, path FROM contact_operation
                        WHERE path IS NOT NULL AND created_at < $1 FOR UPDATE)
           UPDATE contact_operation o SET path = NULL FROM old
           WHERE o.tenant_id = old.tenant_id AND o.id = old.id RETURNING old.path""",
        before,
    )
    return [row["path"] for row in rows]


async def withdraw_files(tx: Tx, tenant_id: UUID) -> list[str]:
    """Take every file of the tenant away; their paths. An export that is under way begins again."""
    rows = await tx.fetch(
        """WITH made AS (SELECT id, path FROM contact_operation
                         WHERE tenant_id = $1 AND path IS NOT NULL FOR UPDATE)
           UPDATE contact_operation o
           SET path = NULL, size = 0, cursor = NULL, file_withdrawn_at = now()
           FROM made WHERE o.tenant_id = $1 AND o.id = made.id RETURNING made.path""",
        tenant_id,
    )
    return [row["path"] for row in rows]


async def set_status(tx: Tx, tenant_id: UUID, ids: Sequence[UUID], status: str) -> int:
    """How many contacts had another status."""
    return int(
        await tx.affected(
            """UPDATE contact SET status = $3, updated_at = now()
               WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND status <> $3""",
            tenant_id,
            list(ids),
            status,
        )
    )
