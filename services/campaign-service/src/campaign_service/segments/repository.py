"""SQL of saved segments."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from shared.database import Tx
from shared.utils import uuid7

_COLUMNS = "id, tenant_id, name, definition, created_at, updated_at"


async def insert(tx: Tx, tenant_id: UUID, name: str, definition: dict[str, Any]) -> UUID | None:
    """The new segment's id; None when the name is taken."""
    found: UUID | None = await tx.fetchval(
        """INSERT INTO segment (tenant_id, id, name, definition) VALUES ($1, $2, $3, $4)
           ON CONFLICT (tenant_id, name) DO NOTHING RETURNING id""",
        tenant_id,
        uuid7(),
        name,
        definition,
    )
    return found


async def get(tx: Tx, tenant_id: UUID, segment_id: UUID, *, keep: bool = False) -> dict[str, Any] | None:
    """With `keep` nobody deletes it before this transaction ends."""
    suffix = " FOR KEY SHARE" if keep else ""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM segment WHERE tenant_id = $1 AND id = $2{suffix}", tenant_id, segment_id
    )
    return dict(row) if row else None


async def page(tx: Tx, tenant_id: UUID, after: str | None, limit: int) -> list[dict[str, Any]]:
    """In the order of names."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM segment WHERE tenant_id = $1 AND ($2::text IS NULL OR name > $2)
            ORDER BY name LIMIT $3""",
        tenant_id,
        after,
        limit,
    )
    return [dict(row) for row in rows]


async def update(
    tx: Tx, tenant_id: UUID, segment_id: UUID, name: str, definition: dict[str, Any]
) -> bool | None:
    """False when there is no such segment, None when another one has the name."""
    taken = await tx.fetchval(
        "SELECT true FROM segment WHERE tenant_id = $1 AND name = $2 AND id <> $3",
        tenant_id,
        name,
        segment_id,
    )
    if taken:
        return None
    return bool(
        await tx.affected(
            """UPDATE segment SET name = $3, definition = $4, updated_at = now()
               WHERE tenant_id = $1 AND id = $2""",
            tenant_id,
            segment_id,
            name,
            definition,
        )
    )


async def lock(tx: Tx, tenant_id: UUID, segment_id: UUID) -> bool:
    """Hold a segment until the transaction ends; False when there is none."""
    sql = "SELECT true FROM segment WHERE tenant_id = $1 AND id = $2 FOR UPDATE"
    return bool(await tx.fetchval(sql, tenant_id, segment_id))


async def waiting_campaigns(tx: Tx, tenant_id: UUID, segment_id: UUID) -> list[dict[str, str]]:
    """Id and name of some campaigns that are yet to be started and go to the segment."""
    rows = await tx.fetch(
        """SELECT id::text, name FROM campaign
           WHERE tenant_id = $1 AND segment_id = $2 AND status IN ('draft', 'scheduled')
           ORDER BY id LIMIT 20""",
        tenant_id,
        segment_id,
    )
    return [dict(row) for row in rows]


async def delete(tx: Tx, tenant_id: UUID, segment_id: UUID) -> None:
    await tx.execute("DELETE FROM segment WHERE tenant_id = $1 AND id = $2", tenant_id, segment_id)
