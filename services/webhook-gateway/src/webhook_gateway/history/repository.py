"""SQL of the webhook history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx

_COLUMNS = (
    "id, source_id, source_type, status, content_type, body_bytes, received_at, error_code, error,"
    " conflict_of, repeats, last_repeat_at, replays, last_replayed_at"
)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """None means any. `received_from` is included, `received_to` is not."""

    source_id: UUID | None = None
    type: str | None = None
    status: str | None = None
    received_from: datetime | None = None
    received_to: datetime | None = None


async def page(
    tx: Tx, tenant_id: UUID, wanted: EventFilter, *, after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Newest first, by id (UUIDv7: in order of arrival)."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM webhook_event WHERE tenant_id = $1"
        " AND ($2::uuid IS NULL OR source_id = $2) AND ($3::text IS NULL OR source_type = $3)"
        " AND ($4::text IS NULL OR status = $4) AND ($5::timestamptz IS NULL OR received_at >= $5)"
        " AND ($6::timestamptz IS NULL OR received_at < $6) AND ($7::uuid IS NULL OR id < $7)"
        " ORDER BY id DESC LIMIT $8",
        tenant_id,
        wanted.source_id,
        wanted.type,
        wanted.status,
        wanted.received_from,
        wanted.received_to,
        after,
        limit,
    )
    return [dict(row) for row in rows]


async def get(tx: Tx, tenant_id: UUID, event_id: UUID) -> dict[str, Any] | None:
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS}, headers, body FROM webhook_event WHERE tenant_id = $1 AND id = $2",
        tenant_id,
        event_id,
    )
    return dict(row) if row else None


async def note_replay(tx: Tx, tenant_id: UUID, event_id: UUID) -> None:
    """Count a replay. One that had failed is as if just received: a new failure is told again."""
    await tx.execute(
        "UPDATE webhook_event SET replays = replays + 1, last_replayed_at = now(), status = 'received',"
        " error_code = NULL, error = NULL WHERE tenant_id = $1 AND id = $2",
        tenant_id,
        event_id,
    )


async def note_failure(tx: Tx, tenant_id: UUID, event_id: UUID, error: str) -> bool:
    """Mark a received webhook as failed; False when it is not there (any more)."""
    marked = await tx.affected(
        "UPDATE webhook_event SET status = 'failed', error_code = 'PROCESSING_FAILED', error = $3"
        " WHERE tenant_id = $1 AND id = $2 AND status IN ('received', 'failed')",
        tenant_id,
        event_id,
        error,
    )
    return marked == 1


async def newest(tx: Tx, tenant_id: UUID, limit: int) -> list[dict[str, Any]]:
    """The newest webhooks that were taken in, with bodies of up to 64 KiB."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS}, CASE WHEN body_bytes <= 65536 THEN body END AS body FROM webhook_event"
        " WHERE tenant_id = $1 AND status IN ('received', 'failed') ORDER BY id DESC LIMIT $2",
        tenant_id,
        limit,
    )
    return [dict(row) for row in rows]


async def forget_before(tx: Tx, moment: datetime, limit: int = 5000) -> int:
    """Delete up to `limit` rows received before `moment`, of all tenants; how many."""
    return await tx.affected(
        "DELETE FROM webhook_event WHERE (tenant_id, id) IN"
        " (SELECT tenant_id, id FROM webhook_event WHERE received_at < $1 ORDER BY received_at LIMIT $2)",
        moment,
        limit,
    )
