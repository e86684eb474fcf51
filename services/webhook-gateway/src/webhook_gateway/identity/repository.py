"""SQL of the deny list."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from shared.database import Tx


async def add_revoked(tx: Tx, session_id: UUID, until: datetime) -> None:
    await tx.execute(
        "INSERT INTO revoked_session (session_id, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        session_id,
        until,
    )


async def revoked_since(tx: Tx, since: datetime | None, now: datetime) -> list[tuple[UUID, datetime]]:
    """Sessions noted after `since` (all when None) whose tokens have not ended by `now`."""
    rows = await tx.fetch(
        "SELECT session_id, expires_at FROM revoked_session"
        " WHERE expires_at > $2 AND ($1::timestamptz IS NULL OR revoked_at >= $1)",
        since,
        now,
    )
    return [(row["session_id"], row["expires_at"]) for row in rows]


async def forget_revoked(tx: Tx, now: datetime) -> int:
    """Delete what has ended by itself; how many rows."""
    return await tx.affected("DELETE FROM revoked_session WHERE expires_at < $1", now)
