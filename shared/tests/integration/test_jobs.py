"""Jobs on a real database: claims, leases, retries, cancel, schedules."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from shared.database import SimpleDatabase
from shared.errors import NotFoundError, PermanentError
from shared.events import EventBus
from shared.jobs import (
    Job,
    JobAlreadyActive,
    JobContext,
    JobFinished,
    JobRunner,
    JobSpec,
    LeaseLostError,
    Schedule,
    job,
)
from shared.testing import FakeClock
from shared.utils import Clock, SystemClock

OpenDatabase = Callable[..., Awaitable[SimpleDatabase]]


async def eventually(condition: Callable[[], Awaitable[Any]], seconds: float = 30) -> None:
    """Wait until `condition` holds; the limit only ends a test that hangs."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)


@pytest.fixture
async def db(open_database: OpenDatabase) -> SimpleDatabase:
    return await open_database("campaign", 10)


def make_runner(
    db: SimpleDatabase, *specs: JobSpec, clock: Clock | None = None, schedules: Any = (), **options: Any
) -> JobRunner:
    clock = clock or SystemClock()
    runtime = SimpleNamespace(
        name="campaign-service", clock=clock, db=db, events=EventBus(db, service="campaign-service")
    )
    runner = JobRunner(db, clock=clock, **{"poll": 0.05, **options})
    runner.bind(runtime, specs, schedules)
    return runner


async def enqueue(runner: JobRunner, db: SimpleDatabase, tenant: UUID, kind: str, **options: Any) -> Job:
    async with db.tenant_tx(tenant) as tx:
        return await runner.enqueue(tx, kind, options.pop("payload", {}), tenant_id=tenant, **options)


async def read(runner: JobRunner, db: SimpleDatabase, job_: Job) -> Job:
    assert job_.tenant_id is not None
    async with db.tenant_tx(job_.tenant_id) as tx:
        return await runner.get(tx, job_.tenant_id, job_.id)


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


async def test_waiting_job_is_cancelled_at_once_and_a_finished_one_not(
    db: SimpleDatabase, tenant_a: UUID
) -> None:
    @job("noop")
    async def noop(_: JobContext) -> None: ...

    runner = make_runner(db, noop)
    first, second = [await enqueue(runner, db, tenant_a, "noop") for _ in range(2)]
    async with db.tenant_tx(tenant_a) as tx:
        assert (await runner.cancel(tx, tenant_a, first.id)).status == "cancelled"
    assert await runner.run_due() == 1
    async with db.tenant_tx(tenant_a) as tx:
        for finished in (first, second):
            with pytest.raises(JobFinished):
                await runner.cancel(tx, tenant_a, finished.id)


async def test_running_job_stops_at_its_next_check(db: SimpleDatabase, tenant_a: UUID) -> None:
    began = asyncio.Event()

    @job("endless")
    async def endless(ctx: JobContext) -> None:
        began.set()
        while True:
            ctx.check_cancelled()
            await asyncio.sleep(0.01)

    worker, elsewhere = make_runner(db, endless), make_runner(db, endless)
    await worker.start()
    queued = await enqueue(worker, db, tenant_a, "endless")
    await began.wait()
    async with db.tenant_tx(tenant_a) as tx:
        asked = await elsewhere.cancel(tx, tenant_a, queued.id)
    assert (asked.status, asked.cancel_requested) == ("running", True)

    async def cancelled() -> bool:
        return (await read(worker, db, queued)).status == "cancelled"

    await eventually(cancelled)
    await worker.stop()


async def test_cancel_ends_the_child_process_and_its_children(
    db: SimpleDatabase, tenant_a: UUID, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    script = textwrap.dedent(f"""
        import os, signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print("started", flush=True)
        open({str(pids)!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
        time.sleep(600)
    """)

    @job("scrape")
    async def scrape(ctx: JobContext) -> None:
        await ctx.run_child(sys.executable, "-c", script, grace=0.3)

    runner = make_runner(db, scrape)
    await runner.start()
    queued = await enqueue(runner, db, tenant_a, "scrape")

    async def started() -> bool:
        return pids.exists() and len(pids.read_text().split()) == 2

    await eventually(started)
    async with db.tenant_tx(tenant_a) as tx:
        await runner.cancel(tx, tenant_a, queued.id)

    async def cancelled() -> bool:
        return (await read(runner, db, queued)).status == "cancelled"

    await eventually(cancelled)
    await runner.stop()
    assert not any(is_alive(int(pid)) for pid in pids.read_text().split())
    async with db.tenant_tx(tenant_a) as tx:
        assert [line.line for line in await runner.logs(tx, tenant_a, queued.id)] == ["started"]


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False


async def test_child_output_and_status_come_back(db: SimpleDatabase, tenant_a: UUID) -> None:
    @job("child")
    async def child(ctx: JobContext) -> dict[str, Any]:
        result = await ctx.run_child(
            sys.executable, "-c", "print('a'); print('b', end=''); raise SystemExit(3)"
        )
        return {"status": result.returncode, "tail": list(result.tail)}

    runner = make_runner(db, child)
    queued = await enqueue(runner, db, tenant_a, "child")
    await runner.run_due()
    assert (await read(runner, db, queued)).result == {"status": 3, "tail": ["a", "b"]}


WORKER = """
import asyncio, sys
from types import SimpleNamespace
from shared.config import DatabaseConfig
from shared.database import SimpleDatabase
from shared.jobs import JobRunner, job

@job("work")
async def work(ctx):
    await ctx.log("begun")
    await asyncio.sleep(600)

async def main():
    db = SimpleDatabase(DatabaseConfig(url=sys.argv[1]), "campaign")
    await db.connect()
    runner = JobRunner(db, poll=0.05)
    runner.bind(SimpleNamespace(name="campaign-service"), [work])
    await runner.start()
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_job_of_a_killed_worker_is_rescued_once(db: SimpleDatabase, tenant_a: UUID) -> None:
    ran: list[int] = []

    @job("work")
    async def work(ctx: JobContext) -> None:
        ran.append(ctx.attempt)

    runners = [make_runner(db, work, lease=0.5) for _ in range(2)]
    queued = await enqueue(runners[0], db, tenant_a, "work")
    url = db._config.url.get_secret_value()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, url)

    async def begun() -> bool:
        async with db.tenant_tx(tenant_a) as tx:
            return bool(await runners[0].logs(tx, tenant_a, queued.id))

    await eventually(begun)
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    assert (await read(runners[0], db, queued)).status == "running"
    await asyncio.sleep(0.6)
    rescued = await asyncio.gather(*(runner.sweep() for runner in runners))
    assert sorted(map(list, rescued)) == [[], [queued.id]]
    assert await runners[0].run_due() == 1
    assert ran == [2]
    assert (await read(runners[0], db, queued)).status == "completed"


async def test_worker_that_was_taken_for_dead_can_write_nothing(db: SimpleDatabase, tenant_a: UUID) -> None:
    began, go = asyncio.Event(), asyncio.Event()
    refused: list[str] = []

    @job("work")
    async def work(ctx: JobContext) -> dict[str, Any]:
        if ctx.attempt == 2:
            return {"by": "the second"}
        began.set()
        await go.wait()
        for name, write in (("log", ctx.log("late")), ("progress", ctx.progress(1))):
            with pytest.raises(LeaseLostError):
                await write
            refused.append(name)
        with pytest.raises(LeaseLostError):
            async with ctx.tx():
                pass
        refused.append("tx")
        return {"by": "the first"}

    clock = FakeClock()
    stale, fresh = make_runner(db, work, clock=clock), make_runner(db, work, clock=clock)
    queued = await enqueue(stale, db, tenant_a, "work")
    running = asyncio.create_task(stale.run_due())
    await began.wait()
    clock.advance(61)
    assert list(await fresh.sweep()) == [queued.id]
    assert await fresh.run_due() == 1
    go.set()
    await running
    assert refused == ["log", "progress", "tx"]
    assert (await read(fresh, db, queued)).result == {"by": "the second"}


async def test_work_of_a_job_that_is_lost_meanwhile_is_rolled_back(
    db: SimpleDatabase, tenant_a: UUID
) -> None:
    clock = FakeClock()

    @job("work", max_attempts=1)
    async def work(ctx: JobContext) -> None:
        async with ctx.tx() as tx:
            await tx.execute("INSERT INTO cache_entry (key, value, expires_at) VALUES ('x', '1', now())")
            clock.advance(61)
            await other.sweep()

    runner, other = make_runner(db, work, clock=clock), make_runner(db, work, clock=clock)
    queued = await enqueue(runner, db, tenant_a, "work")
    await runner.run_due()
    assert await db.query("SELECT 1 FROM cache_entry") == []
    assert (await read(runner, db, queued)).error == "the worker was not heard of any more"


async def test_lost_job_is_stopped_by_the_heartbeat(db: SimpleDatabase, tenant_a: UUID) -> None:
    clock, began, ended = FakeClock(), asyncio.Event(), asyncio.Event()

    @job("work", max_attempts=1)
    async def work(_: JobContext) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    runner, other = make_runner(db, work, clock=clock), make_runner(db, work, clock=clock)
    await enqueue(runner, db, tenant_a, "work")
    running = asyncio.create_task(runner.run_due())
    await began.wait()
    clock.advance(50)
    await runner.renew()
    clock.advance(50)
    assert list(await other.sweep()) == []
    clock.advance(61)
    assert len(await other.sweep()) == 1
    await runner.renew()
    await ended.wait()
    assert await running == 1


async def test_stop_puts_unfinished_jobs_back_uncounted(
    db: SimpleDatabase, tenant_a: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.jobs.runner.STOP_TIMEOUT_SECONDS", 0.05)
    began = asyncio.Event()

    @job("long")
    async def long(_: JobContext) -> None:
        began.set()
        await asyncio.Event().wait()

    runner = make_runner(db, long)
    await runner.start()
    queued = await enqueue(runner, db, tenant_a, "long")
    await began.wait()
    await runner.stop()
    waiting = await read(runner, db, queued)
    assert (waiting.status, waiting.attempt, waiting.error) == ("pending", 0, None)


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
