"""SQL of codes and their events."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx
from shared.utils import uuid7

COLUMNS = """id, code, type, pool, status, sync_state, batch_id, expires_at, limit_per_order,
    limit_per_ticket, metadata, recipient, reference, allocated_at, reserved_until, used_at, revoked_at,
    created_at, updated_at"""
#: The status at the time $2: see `lifecycle.status_at`.
STATUS_NOW = """CASE WHEN (status = 'available' OR (status = 'reserved' AND reserved_until <= $2))
           AND expires_at <= $2 THEN 'expired'
      WHEN status = 'reserved' AND reserved_until <= $2 THEN 'available' ELSE status END"""


async def insert(tx: Tx, tenant_id: UUID, fields: dict[str, Any], now: datetime) -> UUID | None:
    """The new code's id; None when there is such a code."""
    code_id: UUID | None = await tx.fetchval(
        """INSERT INTO code (tenant_id, id, code, type, pool, expires_at, limit_per_order, limit_per_ticket,
                             metadata, created_at, updated_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
           ON CONFLICT (tenant_id, code_norm) DO NOTHING RETURNING id""",
        tenant_id,
        uuid7(),
        fields["code"],
        fields["type"],
        fields["pool"],
        fields["expires_at"],
        fields["limit_per_order"],
        fields["limit_per_ticket"],
        fields["metadata"],
        now,
    )
    return code_id


async def find(tx: Tx, tenant_id: UUID, code: str, *, lock: bool = False) -> dict[str, Any] | None:
    """A code by its text in any case; with `lock` it stays as it is until the transaction ends."""
    row = await tx.fetchrow(
        f"SELECT {COLUMNS} FROM code WHERE tenant_id = $1 AND code_norm = upper($2)"
        + (" FOR UPDATE" if lock else ""),
        tenant_id,
        code,
    )
    return dict(row) if row else None


async def page(
    tx: Tx, tenant_id: UUID, filters: dict[str, Any], now: datetime, before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Newest first. `q` is a part of the code, in any case."""
    rows = await tx.fetch(
        f"""SELECT {COLUMNS} FROM code
            WHERE tenant_id = $1 AND ($3::uuid IS NULL OR id < $3)
              AND ($4::text IS NULL OR {STATUS_NOW} = $4)
              AND ($5::text IS NULL OR type = $5) AND ($6::text IS NULL OR pool = $6)
              AND ($7::text IS NULL OR strpos(code_norm, upper($7)) > 0)
              AND ($8::uuid IS NULL OR batch_id = $8) AND ($9::text IS NULL OR sync_state = $9)
              AND ($10::timestamptz IS NULL OR created_at >= $10)
              AND ($11::timestamptz IS NULL OR created_at < $11)
              AND ($12::text IS NULL OR recipient = $12) AND ($13::text IS NULL OR reference = $13)
            ORDER BY id DESC LIMIT $14""",
        tenant_id,
        now,
        before,
        filters.get("status"),
        filters.get("type"),
        filters.get("pool"),
        filters.get("q"),
        filters.get("batch_id"),
        filters.get("sync_state"),
        filters.get("created_from"),
        filters.get("created_to"),
        filters.get("recipient"),
        filters.get("reference"),
        limit,
    )
    return [dict(row) for row in rows]


async def update(
    tx: Tx,
    tenant_id: UUID,
    code_id: UUID,
    changes: dict[str, Any],
    status: str,
    now: datetime,
    *,
    drifts: bool,
) -> None:
    """Change fields that are given. `status` is what the code has with its new date.

    `drifts`: the ticket shop, if it has the code, has it otherwise now.
    """
    await tx.execute(
        """UPDATE code SET type = CASE WHEN $3 ? 'type' THEN $3->>'type' ELSE type END,
               pool = CASE WHEN $3 ? 'pool' THEN $3->>'pool' ELSE pool END,
               expires_at = CASE WHEN $3 ? 'expires_at' THEN ($3->>'expires_at')::timestamptz
                                 ELSE expires_at END,
               limit_per_order = CASE WHEN $3 ? 'limit_per_order' THEN ($3->>'limit_per_order')::int
                                      ELSE limit_per_order END,
               limit_per_ticket = CASE WHEN $3 ? 'limit_per_ticket' THEN ($3->>'limit_per_ticket')::int
                                       ELSE limit_per_ticket END,
               metadata = CASE WHEN $3 ? 'metadata' THEN $3->'metadata' ELSE metadata END,
               status = $4, updated_at = $5,
               sync_state = CASE WHEN sync_state = 'synced' AND $6 THEN 'drift' ELSE sync_state END,
               sync_before = CASE WHEN sync_before = 'synced' AND $6 THEN 'drift' ELSE sync_before END
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        code_id,
        changes,
        status,
        now,
        drifts,
    )


async def set_status(tx: Tx, tenant_id: UUID, code_id: UUID, status: str, values: dict[str, Any]) -> None:
    """Put a code into a status. A free code keeps nothing of the one who held it.

    A ticket shop that has the code still takes it when it is revoked here.
    """
    await tx.execute(
        """UPDATE code SET status = $3,
               recipient = CASE WHEN $3 = 'available' THEN NULL ELSE recipient END,
               reference = CASE WHEN $3 = 'available' THEN NULL ELSE coalesce($4, reference) END,
               allocated_at = CASE WHEN $3 = 'available' THEN NULL
                                   WHEN $3 = 'used' THEN coalesce(allocated_at, $6) ELSE allocated_at END,
               reserved_until = NULL,
               used_at = CASE WHEN $3 = 'used' THEN $5::timestamptz END,
               revoked_at = CASE WHEN $3 = 'revoked' THEN $6::timestamptz END,
               sync_state = CASE WHEN sync_state = 'synced' AND $3 = 'revoked' THEN 'drift'
                                 ELSE sync_state END,
               sync_before = CASE WHEN sync_before = 'synced' AND $3 = 'revoked' THEN 'drift'
                                  ELSE sync_before END,
               updated_at = $6
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        code_id,
        status,
        values.get("reference"),
        values.get("used_at"),
        values["now"],
    )


async def note(tx: Tx, tenant_id: UUID, code_id: UUID, event: dict[str, Any]) -> None:
    """Add a line to the code's history."""
    await tx.execute(
        """INSERT INTO code_event (tenant_id, code_id, action, from_status, to_status, actor, reason,
                                   reference, request_id, at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
        tenant_id,
        code_id,
        event["action"],
        event.get("from_status"),
        event["to_status"],
        event["actor"],
        event.get("reason"),
        event.get("reference"),
        event.get("request_id"),
        event["at"],
    )


async def events(
    tx: Tx, tenant_id: UUID, code_id: UUID, after: int | None, limit: int
) -> list[dict[str, Any]]:
    """In the order in which it happened."""
    rows = await tx.fetch(
        """SELECT id, action, from_status, to_status, actor, reason, reference, request_id, at FROM code_event
           WHERE tenant_id = $1 AND code_id = $2 AND ($3::bigint IS NULL OR id > $3) ORDER BY id LIMIT $4""",
        tenant_id,
        code_id,
        after,
        limit,
    )
    return [dict(row) for row in rows]
