"""The audit log: INSERT and SELECT only, also by the rights of the database role."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx

_COLUMNS = (
    "tenant_id, id, actor_kind, actor_id, action, target_kind, target_id, ip, user_agent, request_id,"
    " changes, at"
)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One line: who did what to what, when, from where."""

    tenant_id: UUID
    id: UUID
    actor_kind: str
    actor_id: str | None
    action: str
    target_kind: str
    target_id: str | None
    ip: str | None
    user_agent: str | None
    request_id: str | None
    changes: dict[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """None means any."""

    action: str | None = None
    actor_id: str | None = None
    target_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def insert(tx: Tx, record: AuditRecord) -> None:
    await tx.execute(
        f"INSERT INTO audit_log ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        record.tenant_id,
        record.id,
        record.actor_kind,
        record.actor_id,
        record.action,
        record.target_kind,
        record.target_id,
        record.ip,
        record.user_agent,
        record.request_id,
        record.changes,
        record.at,
    )


async def page(
    tx: Tx, tenant_id: UUID, wanted: AuditFilter, after_at: datetime | None, after_id: UUID | None, limit: int
) -> list[AuditRecord]:
    """Newest first, from the row after (`after_at`, `after_id`)."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM audit_log
            WHERE tenant_id = $1
              AND ($2::text IS NULL OR action = $2)
              AND ($3::text IS NULL OR actor_id = $3)
              AND ($4::text IS NULL OR target_id = $4)
              AND ($5::timestamptz IS NULL OR at >= $5)
              AND ($6::timestamptz IS NULL OR at < $6)
              AND ($7::timestamptz IS NULL OR (at, id) < ($7, $8::uuid))
            ORDER BY at DESC, id DESC LIMIT $9""",
        tenant_id,
        wanted.action,
        wanted.actor_id,
        wanted.target_id,
        wanted.since,
        wanted.until,
        after_at,
        after_id,
        limit,
    )
    return [AuditRecord(**dict(row)) for row in rows]
