"""Codes as CSV, streamed, and as an Excel workbook, which a program of its own writes."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from code_service.codes import repository
from code_service.codes.lifecycle import status_at
from code_service.exchange.csv_safety import csv_lines
from shared.database import SimpleDatabase
from shared.utils import uuid7

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
#: Small enough that requests that come meanwhile hardly wait.
_PAGE = 500
_WRITER = "code_service.exchange.xlsx_writer"
_ENVIRONMENT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
Rows = list[list[str]]


async def export_csv(
    db: SimpleDatabase, tenant_id: UUID, filters: dict[str, Any], now: datetime
) -> AsyncIterator[str]:
    """Lines in pages, newest first. No transaction stays open while the client reads."""
    yield "\ufeff" + csv_lines([COLUMNS])
    async for rows in _pages(db, tenant_id, filters, now):
        yield csv_lines(rows)


async def export_xlsx(
    db: SimpleDatabase, tenant_id: UUID, filters: dict[str, Any], now: datetime, folder: Path
) -> Path:
    """The same as a workbook in `folder`; the caller removes it."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    path = folder / f"{uuid7()}.xlsx"
    writer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", _WRITER, str(path)),
        stdin=asyncio.subprocess.PIPE,
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
    )
    try:
        assert writer.stdin is not None, "it is a pipe"
        writer.stdin.write(_json_lines([COLUMNS]))
        async for rows in _pages(db, tenant_id, filters, now):
            writer.stdin.write(_json_lines(rows))
            await writer.stdin.drain()
        writer.stdin.close()
        if await writer.wait() != 0:
            raise RuntimeError("the program that writes workbooks ended unexpectedly")
    except BaseException:
        # Whatever stopped it, a client that went away too: nobody will ask for this file.
        if writer.returncode is None:
            writer.kill()
            await writer.wait()
        path.unlink(missing_ok=True)
        raise
    return path


async def _pages(
    db: SimpleDatabase, tenant_id: UUID, filters: dict[str, Any], now: datetime
) -> AsyncIterator[Rows]:
    before: UUID | None = None
    while True:
        async with db.tenant_tx(tenant_id, read_only=True) as tx:
            rows = await repository.page(tx, tenant_id, filters, now, before, _PAGE)
        if not rows:
            return
        yield [_cells(row, now) for row in rows]
        before = rows[-1]["id"]


def _json_lines(rows: Sequence[Sequence[str]]) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def _cells(row: dict[str, Any], now: datetime) -> list[str]:
    shown = row | {"status": status_at(row, now)}
    shown["metadata"] = orjson.dumps(row["metadata"]).decode() if row["metadata"] else ""
    return [_text(shown[name]) for name in COLUMNS]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, datetime) else str(value)
