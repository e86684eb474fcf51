"""`rate_take`: a sliding window that is right across processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.database import SimpleDatabase

OpenDatabase = Callable[..., Awaitable[SimpleDatabase]]
HOUR = 3600
START = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
async def db(open_database: OpenDatabase) -> SimpleDatabase:
    return await open_database("gateway", 8)


async def take(
    db: SimpleDatabase, seconds: float = 0, *, limit: int = 100, cost: int = 1, key: str = "key:1"
) -> dict[str, Any]:
    now = START + timedelta(seconds=seconds)
    (row,) = await db.query("SELECT * FROM rate_take($1, $2, $3, $4, $5)", [key, limit, HOUR, cost, now])
    return row


async def test_exactly_the_limit_is_allowed_to_many_at_once(db: SimpleDatabase) -> None:
    answers = await asyncio.gather(*(take(db) for _ in range(130)))
    allowed = [answer for answer in answers if answer["allowed"]]
    assert len(allowed) == 100
    assert sorted(answer["remaining"] for answer in allowed) == list(range(100))
    refused = await take(db, 60)
    assert (refused["allowed"], refused["remaining"]) == (False, 0)
    assert refused["reset_seconds"] == refused["retry_seconds"] == HOUR - 60
    assert (await take(db, key="key:2"))["remaining"] == 99


async def test_hits_of_the_window_before_fade_out(db: SimpleDatabase) -> None:
    assert (await take(db, 10, cost=100))["allowed"] is True
    refused = await take(db, HOUR)
    assert (refused["allowed"], refused["retry_seconds"]) == (False, 36)
    assert (await take(db, HOUR + 35))["allowed"] is False
    assert (await take(db, HOUR + 36))["allowed"] is True
    half = await take(db, HOUR + HOUR / 2)
    assert (half["allowed"], half["remaining"]) == (True, 48)
    assert (await take(db, 5 * HOUR))["remaining"] == 99


async def test_refused_hits_are_not_counted(db: SimpleDatabase) -> None:
    await take(db, cost=99)
    assert (await take(db, cost=2))["allowed"] is False
    assert (await take(db))["allowed"] is True


async def test_change_of_the_window_begins_anew(db: SimpleDatabase) -> None:
    await take(db, cost=100)
    (row,) = await db.query("SELECT * FROM rate_take('key:1', 100, 60, 1, $1)", [START])
    assert row["remaining"] == 99


async def test_clock_that_runs_behind_cannot_open_a_window_again(db: SimpleDatabase) -> None:
    await take(db, HOUR, cost=100)
    assert (await take(db, HOUR - 5))["allowed"] is False
