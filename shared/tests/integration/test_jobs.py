"""Jobs on a real database: running, trying again, enqueuing, reading."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from shared.database import SimpleDatabase
from shared.errors import NotFoundError, PermanentError
from shared.jobs import (
    JobAlreadyActive,
    JobContext,
    JobFinished,
    job,
    repository,
)
from shared.testing import FakeClock
from shared.testing.plugin import OpenDatabase

from .jobs_support import enqueue, eventually, make_runner, read


@pytest.fixture
async def db(open_database: OpenDatabase) -> SimpleDatabase:
    return await open_database("campaign", 10)


async def test_job_runs_with_progress_log_and_result(db: SimpleDatabase, tenant_a: UUID) -> None:
    @job("greet")
    async def greet(ctx: JobContext) -> dict[str, Any]:
        await ctx.log("hello \u0000")
        await ctx.progress(1, 2, phase="half")
        await ctx.progress(2, 2, phase="all")
        async with ctx.tx() as tx:
            assert tx.tenant_id == ctx.tenant_id
        return {"greeted": ctx.payload["name"]}

    runner = make_runner(db, greet)
    queued = await enqueue(runner, db, tenant_a, "greet", payload={"name": "Ada"}, created_by="user 1")
    assert (queued.status, queued.attempt, queued.created_by) == ("pending", 0, "user 1")
    assert await runner.run_due() == 1
    done = await read(runner, db, queued)
    assert (done.status, done.attempt, done.result) == ("completed", 1, {"greeted": "Ada"})
    assert done.progress == {"done": 2, "total": 2, "phase": "all"}
    assert done.finished_at is not None
    async with db.tenant_tx(tenant_a) as tx:
        (line,) = await runner.logs(tx, tenant_a, queued.id)
    assert (line.seq, line.level, line.line) == (1, "info", "hello \N{REPLACEMENT CHARACTER}")


async def test_failed_attempts_wait_longer_each_time_and_the_last_one_is_told(
    db: SimpleDatabase, tenant_a: UUID
) -> None:
    @job("doomed", max_attempts=3, backoff=100)
    async def doomed(_: JobContext) -> None:
        raise OSError("disk\x00 full")

    clock = FakeClock()
    runner = make_runner(db, doomed, clock=clock)
    queued = await enqueue(runner, db, tenant_a, "doomed")
    for attempt, wait in ((1, 200), (2, 400)):
        assert await runner.run_due() == 1
        waiting = await read(runner, db, queued)
        assert (waiting.status, waiting.attempt) == ("pending", attempt)
        assert waiting.error == "OSError: disk\N{REPLACEMENT CHARACTER} full"
        seconds = (waiting.run_at - clock.now()).total_seconds()
        assert 0.9 * wait <= seconds <= 1.1 * wait
        clock.advance(seconds - 1)
        assert await runner.run_due() == 0
        clock.advance(1)
    assert await runner.run_due() == 1
    assert (await read(runner, db, queued)).status == "failed_permanent"
    async with db.system_tx() as tx:
        rows = await tx.fetch("SELECT tenant_id, type, data FROM outbox")
    (event,) = rows
    assert (event["tenant_id"], event["type"]) == (tenant_a, "job.failed_permanently.v1")
    assert (event["data"]["job_id"], event["data"]["attempts"]) == (str(queued.id), 3)


async def test_permanent_error_is_not_tried_again_and_can_be_requeued(
    db: SimpleDatabase, tenant_a: UUID
) -> None:
    broken = [True]

    @job("import")
    async def run(_: JobContext) -> dict[str, Any]:
        if broken:
            raise PermanentError("not a CSV file")
        return {}

    runner = make_runner(db, run)
    queued = await enqueue(runner, db, tenant_a, "import")
    await runner.run_due()
    failed = await read(runner, db, queued)
    assert (failed.status, failed.attempt) == ("failed_permanent", 1)
    broken.clear()
    async with db.tenant_tx(tenant_a) as tx:
        assert (await runner.requeue(tx, tenant_a, queued.id)).attempt == 0
    await runner.run_due()
    done = await read(runner, db, queued)
    assert (done.status, done.error) == ("completed", None)
    async with db.tenant_tx(tenant_a) as tx:
        with pytest.raises(JobFinished):
            await runner.requeue(tx, tenant_a, queued.id)


async def test_result_that_cannot_be_stored_is_a_failed_attempt(db: SimpleDatabase, tenant_a: UUID) -> None:
    @job("odd", max_attempts=1)
    async def odd(_: JobContext) -> dict[str, Any]:
        return {"text": "\u0000"}

    runner = make_runner(db, odd)
    queued = await enqueue(runner, db, tenant_a, "odd")
    await runner.run_due()
    assert (await read(runner, db, queued)).status == "failed_permanent"


async def test_job_that_takes_too_long_is_stopped(db: SimpleDatabase, tenant_a: UUID) -> None:
    @job("slow", timeout=0.05, max_attempts=1)
    async def slow(_: JobContext) -> None:
        await asyncio.Event().wait()

    runner = make_runner(db, slow)
    queued = await enqueue(runner, db, tenant_a, "slow")
    await runner.run_due()
    ended = await read(runner, db, queued)
    assert (ended.status, ended.error) == ("failed_permanent", "timed out after 0.05 s")


async def test_two_workers_run_a_thousand_jobs_once_each(db: SimpleDatabase, tenant_a: UUID) -> None:
    ran: Counter[UUID] = Counter()

    @job("count")
    async def count(ctx: JobContext) -> None:
        ran[ctx.job.id] += 1

    workers = [make_runner(db, count, concurrency=4) for _ in range(2)]
    async with db.tenant_tx(tenant_a) as tx:
        ids = [(await workers[0].enqueue(tx, "count", tenant_id=tenant_a)).id for _ in range(1000)]
    for worker in workers:
        await worker.start()

    async def all_done() -> bool:
        rows = await db.query("SELECT count(*) AS n FROM job WHERE status = 'completed'", tenant_id=tenant_a)
        return bool(rows[0]["n"] == 1000)

    await eventually(all_done, 60)
    for worker in workers:
        await worker.stop()
    assert ran == Counter(ids)


async def test_fifty_enqueues_at_once_make_one_job(
    db: SimpleDatabase, tenant_a: UUID, tenant_b: UUID
) -> None:
    @job("sync")
    async def sync(_: JobContext) -> None: ...

    runner = make_runner(db, sync)

    async def attempt() -> UUID:
        try:
            return (await enqueue(runner, db, tenant_a, "sync", unique_key="source 1")).id
        except JobAlreadyActive as conflict:
            return conflict.job_id

    assert len(set(await asyncio.gather(*(attempt() for _ in range(50))))) == 1
    assert (await db.query("SELECT count(*) AS n FROM job", tenant_id=tenant_a)) == [{"n": 1}]
    assert (await enqueue(runner, db, tenant_b, "sync", unique_key="source 1")).tenant_id == tenant_b
    await runner.run_due()
    assert (await enqueue(runner, db, tenant_a, "sync", unique_key="source 1")).status == "pending"


async def test_no_more_jobs_are_claimed_than_there_is_room_for(
    db: SimpleDatabase, database_dsn: str, tenant_a: UUID
) -> None:
    @job("work")
    async def work(_: JobContext) -> None: ...

    runner = make_runner(db, work)
    admin = await asyncpg.connect(database_dsn)
    await admin.execute("ANALYZE campaign.job")
    await admin.close()
    for _ in range(30):
        await enqueue(runner, db, tenant_a, "work")
    async with db.system_tx() as tx:
        claimed = await repository.claim(tx, ["work"], 5, "me", datetime.now(UTC))
    assert len(claimed) == 5
    assert len(await db.query("SELECT 1 FROM job WHERE status = 'running'", tenant_id=tenant_a)) == 5


async def test_paused_kind_waits_until_it_is_resumed(db: SimpleDatabase, tenant_a: UUID) -> None:
    @job("paused")
    async def paused(_: JobContext) -> None: ...

    @job("free")
    async def free(_: JobContext) -> None: ...

    runner = make_runner(db, paused, free)
    waiting = await enqueue(runner, db, tenant_a, "paused")
    await enqueue(runner, db, tenant_a, "free")
    await runner.pause("paused")
    assert await runner.run_due() == 1
    assert (await read(runner, db, waiting)).status == "pending"
    await runner.resume("paused")
    assert await runner.run_due() == 1


async def test_log_is_capped_and_says_so(
    db: SimpleDatabase, tenant_a: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.jobs.repository.MAX_LOG_LINES", 3)

    @job("chatty")
    async def chatty(ctx: JobContext) -> None:
        for n in range(6):
            await ctx.log(f"{n}" * 3000)

    runner = make_runner(db, chatty)
    queued = await enqueue(runner, db, tenant_a, "chatty")
    await runner.run_due()
    async with db.tenant_tx(tenant_a) as tx:
        lines = await runner.logs(tx, tenant_a, queued.id)
    assert [len(line.line) for line in lines[:3]] == [2000, 2000, 2000]
    assert [line.line for line in lines[3:]] == ["further lines are left out"]


async def test_jobs_of_another_tenant_are_not_there(
    db: SimpleDatabase, tenant_a: UUID, tenant_b: UUID
) -> None:
    @job("noop")
    async def noop(_: JobContext) -> None: ...

    runner = make_runner(db, noop)
    theirs = await enqueue(runner, db, tenant_b, "noop")
    async with db.tenant_tx(tenant_a) as tx:
        assert await runner.list(tx, tenant_a) == []
        for act in (runner.get, runner.cancel, runner.requeue, runner.logs):
            with pytest.raises(NotFoundError):
                await act(tx, tenant_a, theirs.id)
        with pytest.raises(ValueError, match="another tenant"):
            await runner.enqueue(tx, "noop", tenant_id=tenant_b)
        with pytest.raises(ValueError, match="no kind of job"):
            await runner.enqueue(tx, "unknown", tenant_id=tenant_a)


async def test_jobs_are_listed_newest_first_and_filtered(db: SimpleDatabase, tenant_a: UUID) -> None:
    @job("a")
    async def a(_: JobContext) -> None: ...

    @job("b")
    async def b(_: JobContext) -> None: ...

    runner = make_runner(db, a, b)
    made = [await enqueue(runner, db, tenant_a, kind) for kind in ("a", "b", "a")]
    async with db.tenant_tx(tenant_a) as tx:
        ids = [one.id for one in await runner.list(tx, tenant_a)]
        assert ids == [one.id for one in reversed(made)]
        assert [one.id for one in await runner.list(tx, tenant_a, before=ids[0], limit=1)] == [ids[1]]
        assert [one.id for one in await runner.list(tx, tenant_a, type="b", status="pending")] == [made[1].id]
        assert await runner.list(tx, tenant_a, status="completed") == []
