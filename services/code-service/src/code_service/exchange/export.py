"""Codes as CSV, streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from code_service.codes import repository
from code_service.codes.lifecycle import status_at
from code_service.exchange.csv_safety import csv_lines
from shared.database import SimpleDatabase

COLUMNS = (
    "code",
    "type",
    "pool",
    "status",
    "sync_state",
    "expires_at",
    "limit_per_order",
    "limit_per_ticket",
    "recipient",
    "reference",
    "allocated_at",
    "used_at",
    "created_at",
    "metadata",
)
_PAGE = 2000


async def export_csv(
    db: SimpleDatabase, tenant_id: UUID, filters: dict[str, Any], now: datetime
) -> AsyncIterator[str]:
    """Lines in pages, newest first. No transaction stays open while the client reads."""
    yield "\ufeff" + csv_lines([COLUMNS])
    before: UUID | None = None
    while True:
        async with db.tenant_tx(tenant_id, read_only=True) as tx:
            rows = await repository.page(tx, tenant_id, filters, now, before, _PAGE)
        if not rows:
            return
        yield csv_lines(_cells(row, now) for row in rows)
        before = rows[-1]["id"]


def _cells(row: dict[str, Any], now: datetime) -> list[Any]:
    shown = row | {"status": status_at(row, now)}
    shown["metadata"] = orjson.dumps(row["metadata"]).decode() if row["metadata"] else ""
    return [_text(shown[name]) for name in COLUMNS]


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
