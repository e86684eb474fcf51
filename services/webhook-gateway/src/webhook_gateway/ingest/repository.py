"""SQL of taking webhooks in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from shared.database import SimpleDatabase
from shared.errors import ServiceUnavailableError

Outcome = Literal["accepted", "duplicate", "conflict", "stale"]
_SAMPLE_BYTES = 64 * 1024
_STATEMENT_SECONDS = 10.0
_ACCEPT = "SELECT outcome, event_id FROM accept_webhook($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)"
# A database that is starting, stopping, full or out of connections: the sender shall come again.
_OVERLOAD = (
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    OSError,
    TimeoutError,
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One verified webhook on its way in. `headers` are without credentials."""

    tenant_id: UUID
    source_id: UUID
    source_version: int
    source_type: str
    id: UUID
    key: bytes
    digest: bytes
    content_type: str
    headers: dict[str, str]
    body: bytes
    received_at: datetime


async def accept(
    db: SimpleDatabase,
    delivery: Delivery,
    *,
    event_type: str,
    data: dict[str, Any],
    traceparent: str,
    correlation_id: str,
) -> tuple[Outcome, UUID | None]:
    """Store and publish in one statement; returns after its commit, with the id of the first of equals.

    Raises `ServiceUnavailableError` when the database cannot take it now.
    """
    try:
        row = await db.get_pool().fetchrow(
            _ACCEPT,
            delivery.tenant_id,
            delivery.source_id,
            delivery.source_version,
            delivery.source_type,
            delivery.id,
            delivery.key,
            delivery.digest,
            delivery.content_type,
            delivery.headers,
            delivery.body,
            event_type,
            data,
            traceparent,
            correlation_id,
            delivery.received_at,
            timeout=_STATEMENT_SECONDS,
        )
    except _OVERLOAD as error:
        raise ServiceUnavailableError("Webhooks cannot be stored now", retry_after=5) from error
    assert row is not None, "the function returns one row"
    return row["outcome"], row["event_id"]


async def keep_rejected(db: SimpleDatabase, delivery: Delivery, code: str, reason: str) -> None:
    """Keep a sample (64 KiB) of what was refused; equal ones are counted on one row."""
    key = hashlib.sha256(b"rejected\x00" + code.encode() + b"\x00" + delivery.digest).digest()
    async with db.tenant_tx(delivery.tenant_id) as tx:
        await tx.execute(
            "INSERT INTO webhook_event (tenant_id, id, source_id, source_type, status, dedupe_key, digest,"
            " content_type, headers, body, body_bytes, error_code, error, received_at)"
            " VALUES ($1, $2, $3, $4, 'rejected', $5, $6, $7, $8, $9, $10, $11, $12, $13)"
            " ON CONFLICT (tenant_id, source_id, dedupe_key)"
            " DO UPDATE SET repeats = webhook_event.repeats + 1, last_repeat_at = excluded.received_at",
            delivery.tenant_id,
            delivery.id,
            delivery.source_id,
            delivery.source_type,
            key,
            delivery.digest,
            delivery.content_type,
            delivery.headers,
            delivery.body[:_SAMPLE_BYTES],
            len(delivery.body),
            code,
            reason[:500],
            delivery.received_at,
        )
