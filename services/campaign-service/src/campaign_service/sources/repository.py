"""SQL of data sources and of how far they have been read."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from campaign_service.imports import repository as imports
from shared.database import Tx

_COLUMNS = """s.id, s.tenant_id, s.name, s.type, s.settings, s.secret IS NOT NULL AS has_secret, s.cursor,
    s.last_sync_at, s.sync_every_minutes, s.next_sync_at, s.created_at, s.updated_at,
    (SELECT coalesce(sum(f.n), 0)::bigint FROM contact_figure f
     WHERE f.tenant_id = s.tenant_id AND f.source_id = s.id) AS contact_count"""


async def insert(tx: Tx, tenant_id: UUID, values: dict[str, Any]) -> bool:
    """`values`: id, name, type, settings, secret, created_by. False when the name is taken."""
    done = await tx.affected(
        """INSERT INTO data_source (tenant_id, id, name, type, settings, secret, created_by)
           VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id, lower(name)) DO NOTHING""",
        tenant_id,
        *(values[name] for name in ("id", "name", "type", "settings", "secret", "created_by")),
    )
    return done == 1


async def get(tx: Tx, tenant_id: UUID, source_id: UUID) -> dict[str, Any] | None:
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM data_source s WHERE s.tenant_id = $1 AND s.id = $2", tenant_id, source_id
    )
    return dict(row) if row else None


async def page(
    tx: Tx, tenant_id: UUID, kind: str | None, after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Oldest first."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM data_source s
            WHERE s.tenant_id = $1 AND ($2::text IS NULL OR s.type = $2) AND ($3::uuid IS NULL OR s.id > $3)
            ORDER BY s.id LIMIT $4""",
        tenant_id,
        kind,
        after,
        limit,
    )
    return [dict(row) for row in rows]


async def lock(tx: Tx, tenant_id: UUID, source_id: UUID) -> dict[str, Any] | None:
    """The source with its sealed secret; it stays as it is until the transaction ends."""
    row = await tx.fetchrow(
        """SELECT id, name, type, settings, secret, cursor, sync_every_minutes FROM data_source
           WHERE tenant_id = $1 AND id = $2 FOR UPDATE""",
        tenant_id,
        source_id,
    )
    return dict(row) if row else None


async def type_of(tx: Tx, tenant_id: UUID, source_id: UUID) -> str | None:
    """None when there is no such source; it is not deleted before the transaction ends."""
    kind: str | None = await tx.fetchval(
        "SELECT type FROM data_source WHERE tenant_id = $1 AND id = $2 FOR KEY SHARE", tenant_id, source_id
    )
    return kind


async def named(tx: Tx, tenant_id: UUID, name: str) -> tuple[UUID, str] | None:
    """Id and type of the source with this name."""
    row = await tx.fetchrow(
        "SELECT id, type FROM data_source WHERE tenant_id = $1 AND lower(name) = lower($2) FOR KEY SHARE",
        tenant_id,
        name,
    )
    return (row["id"], row["type"]) if row else None


async def name_is_taken(tx: Tx, tenant_id: UUID, name: str, source_id: UUID) -> bool:
    """Whether another source has the name."""
    return bool(
        await tx.fetchval(
            "SELECT true FROM data_source WHERE tenant_id = $1 AND lower(name) = lower($2) AND id <> $3",
            tenant_id,
            name,
            source_id,
        )
    )


async def update(tx: Tx, tenant_id: UUID, source_id: UUID, values: dict[str, Any]) -> None:
    """`values`: name, settings, secret and cursor."""
    await tx.execute(
        """UPDATE data_source SET name = $3, settings = $4, secret = $5, cursor = $6, updated_at = now()
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        source_id,
        *(values[name] for name in ("name", "settings", "secret", "cursor")),
    )


async def set_period(tx: Tx, tenant_id: UUID, source_id: UUID, minutes: int | None, now: datetime) -> None:
    """Read the source again every so many minutes, for the first time as soon as may be; None: no more."""
    await tx.execute(
        """UPDATE data_source SET sync_every_minutes = $3::integer,
               next_sync_at = CASE WHEN $3::integer IS NOT NULL THEN $4::timestamptz END
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        source_id,
        minutes,
        now,
    )


async def due(tx: Tx, now: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """(tenant, source) of any tenant whose next sync is due, the longest overdue first; in a `system_tx`."""
    rows = await tx.fetch(
        "SELECT tenant_id, id FROM data_source WHERE next_sync_at <= $1 ORDER BY next_sync_at LIMIT $2",
        now,
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def take_due(tx: Tx, tenant_id: UUID, source_id: UUID, now: datetime) -> UUID | None:
    """Move a due sync to the next period; who made the source, None when another process was faster."""
    made_by: UUID | None = await tx.fetchval(
        """UPDATE data_source SET next_sync_at = $3 + make_interval(mins => sync_every_minutes)
           WHERE tenant_id = $1 AND id = $2 AND next_sync_at <= $3 RETURNING created_by""",
        tenant_id,
        source_id,
        now,
    )
    return made_by


async def forget_cursor(tx: Tx, tenant_id: UUID, source_id: UUID) -> None:
    await tx.execute(
        "UPDATE data_source SET cursor = NULL WHERE tenant_id = $1 AND id = $2", tenant_id, source_id
    )


async def delete(tx: Tx, tenant_id: UUID, source_id: UUID) -> None:
    await tx.execute("DELETE FROM data_source WHERE tenant_id = $1 AND id = $2", tenant_id, source_id)


async def last_import(tx: Tx, tenant_id: UUID, source_id: UUID) -> dict[str, Any] | None:
    """The latest import from a source, by sync or by file."""
    import_id = await tx.fetchval(
        """SELECT id FROM contact_import WHERE tenant_id = $1 AND source_id = $2
           ORDER BY id DESC LIMIT 1""",
        tenant_id,
        source_id,
    )
    return await imports.get(tx, tenant_id, import_id) if import_id else None


async def is_collected(tx: Tx, tenant_id: UUID, source_id: UUID) -> bool:
    """Whether a portal is being read for this source."""
    return bool(
        await tx.fetchval(
            """SELECT true FROM netlife_collection c
               JOIN job j ON j.tenant_id = c.tenant_id AND j.id = c.id
               WHERE c.tenant_id = $1 AND j.status IN ('pending', 'running')
                 AND c.options -> 'import_contacts' ->> 'source_id' = $2 LIMIT 1""",
            tenant_id,
            str(source_id),
        )
    )


async def plan(tx: Tx, tenant_id: UUID, import_id: UUID) -> dict[str, Any] | None:
    """What a sync needs to know: the source, how far it and its report are. None when either is gone."""
    row = await tx.fetchrow(
        """SELECT s.id, s.name, s.type, s.settings, s.secret, s.cursor, i.status, i.created_by,
                  i.total, i.created, i.updated, i.unchanged, i.duplicate, i.rejected
           FROM contact_import i
           JOIN data_source s ON s.tenant_id = i.tenant_id AND s.id = i.source_id
           WHERE i.tenant_id = $1 AND i.id = $2""",
        tenant_id,
        import_id,
    )
    return dict(row) if row else None


async def advance(
    tx: Tx, tenant_id: UUID, source_id: UUID, import_id: UUID, cursor: str | None, counts: dict[str, int]
) -> None:
    """Note a page that is stored in this transaction: where the next one begins, and what it came to."""
    await tx.execute(
        "UPDATE data_source SET cursor = $3 WHERE tenant_id = $1 AND id = $2", tenant_id, source_id, cursor
    )
    await tx.execute(
        """UPDATE contact_import SET total = total + $3, created = created + $4, updated = updated + $5,
               unchanged = unchanged + $6, duplicate = duplicate + $7, rejected = rejected + $8
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        import_id,
        *(counts[name] for name in ("total", "created", "updated", "unchanged", "duplicate", "rejected")),
    )


async def finish(tx: Tx, tenant_id: UUID, source_id: UUID) -> None:
    await tx.execute(
        "UPDATE data_source SET last_sync_at = clock_timestamp() WHERE tenant_id = $1 AND id = $2",
        tenant_id,
        source_id,
    )
