"""Schedules and retention on a moved clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from shared.database import SimpleDatabase
from shared.jobs import (
    JobContext,
    Schedule,
    job,
)
from shared.testing import FakeClock
from shared.testing.plugin import OpenDatabase

from .jobs_support import enqueue, make_runner


@pytest.fixture
async def db(open_database: OpenDatabase) -> SimpleDatabase:
    return await open_database("campaign", 10)


@pytest.mark.parametrize(
    ("start", "days", "expected"),
    [
        # Clocks go forward at 02:00 on 29 March 2026 in Vienna: 02:30 is skipped.
        (
            datetime(2026, 3, 27, 12, tzinfo=UTC),
            4,
            ["03-28 01:30", "03-29 01:30", "03-30 00:30", "03-31 00:30"],
        ),
        # They go back at 03:00 on 25 October 2026: 02:30 comes twice.
        (datetime(2026, 10, 23, 12, tzinfo=UTC), 3, ["10-24 00:30", "10-25 00:30", "10-26 01:30"]),
    ],
)
async def test_three_schedulers_run_each_due_time_once_across_a_clock_change(
    db: SimpleDatabase, start: datetime, days: int, expected: list[str]
) -> None:
    @job("nightly")
    async def nightly(_: JobContext) -> None: ...

    clock = FakeClock(start)
    plan = [Schedule("nightly", "02:30", "nightly", time_zone="Europe/Vienna")]
    runners = [make_runner(db, nightly, clock=clock, schedules=plan) for _ in range(3)]
    enqueued: list[str] = []
    for _ in range(days * 24 * 2):
        for made in await asyncio.gather(*(runner.run_schedules() for runner in runners)):
            enqueued += [one.created_at.strftime("%m-%d %H:%M") for one in made if one.type == "nightly"]
        await runners[0].run_due()
        clock.advance(1800)
    assert enqueued == expected


async def test_missed_times_are_made_up_for_once_and_a_run_still_active_is_left_out(
    db: SimpleDatabase,
) -> None:
    @job("hourly")
    async def hourly(_: JobContext) -> None: ...

    clock = FakeClock(datetime(2026, 5, 1, 12, 30, tzinfo=UTC))
    runner = make_runner(db, hourly, clock=clock, schedules=[Schedule("hourly", 3600, "hourly")])
    assert await runner.run_schedules() == []
    clock.advance(timedelta(hours=5).total_seconds())
    assert [one.type for one in await runner.run_schedules()] == ["hourly"]
    clock.advance(3600)
    assert await runner.run_schedules() == []
    await runner.run_due()
    clock.advance(3600)
    assert len(await runner.run_schedules()) == 1


async def test_retention_removes_what_is_old_and_keeps_the_rest(db: SimpleDatabase, tenant_a: UUID) -> None:
    @job("noop")
    async def noop(_: JobContext) -> None: ...

    clock = FakeClock(datetime.now(UTC))
    runner = make_runner(db, noop, clock=clock)
    old = await enqueue(runner, db, tenant_a, "noop")
    await runner.run_due()
    clock.advance(timedelta(days=31).total_seconds())
    recent = await enqueue(runner, db, tenant_a, "noop")
    await runner.run_due()
    async with db.system_tx() as tx:
        sweep = await runner.enqueue(tx, "platform.retention", tenant_id=None)
    await runner.run_due()
    async with db.system_tx() as tx:
        done = await runner.get(tx, None, sweep.id)
        kept = {row["id"] for row in await tx.fetch("SELECT id FROM job")}
    assert done.result is not None
    assert done.result["jobs"] == 1
    assert kept == {recent.id, sweep.id}
    assert old.id not in kept
