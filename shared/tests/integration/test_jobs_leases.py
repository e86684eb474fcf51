"""Who may work on a job: cancelled, killed, stale and stopping workers."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.database import SimpleDatabase
from shared.jobs import (
    JobContext,
    JobFinished,
    JobPostponed,
    LeaseLostError,
    job,
)
from shared.testing import FakeClock
from shared.testing.plugin import OpenDatabase

from .jobs_support import enqueue, eventually, make_runner, read


@pytest.fixture
async def db(open_database: OpenDatabase) -> SimpleDatabase:
    return await open_database("campaign", 10)


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


# A program that does not want to end, with a child in a group of its own whose parent is gone.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
orphan = (
    "import os, signal, time\\n"
    "if os.fork(): os._exit(0)\\n"
    "os.setsid()\\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\\n"
    "os.write(1, str(os.getpid()).encode())\\n"
    "os.close(1)\\n"
    "time.sleep(600)"
)
left = subprocess.run([sys.executable, "-c", orphan], stdout=subprocess.PIPE, text=True).stdout
print("started", flush=True)
open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid} {left}")
time.sleep(600)
"""


@job("scrape", max_attempts=1)
async def scrape(ctx: JobContext) -> None:
    await ctx.run_child(sys.executable, "-c", STUBBORN, ctx.payload["pids"])


@job("short", max_attempts=1, timeout=5.5)
async def short(ctx: JobContext) -> None:
    await ctx.run_child(sys.executable, "-c", STUBBORN, ctx.payload["pids"])


@pytest.mark.parametrize("kind", ["scrape", "short"])
async def test_a_cancelled_or_late_job_leaves_nothing_of_its_child_behind(
    db: SimpleDatabase, tenant_a: UUID, tmp_path: Path, kind: str
) -> None:
    pids = tmp_path / "pids"
    runner = make_runner(db, scrape, short)
    await runner.start()
    queued = await enqueue(runner, db, tenant_a, kind, payload={"pids": str(pids)})

    async def started() -> bool:
        return pids.exists() and len(pids.read_text().split()) == 3

    await eventually(started)
    if kind == "scrape":
        async with db.tenant_tx(tenant_a) as tx:
            await runner.cancel(tx, tenant_a, queued.id)

    async def ended() -> bool:
        return (await read(runner, db, queued)).status in ("cancelled", "failed_permanent")

    await eventually(ended)
    await runner.stop()
    assert [pid for pid in pids.read_text().split() if is_alive(int(pid))] == []
    job_ = await read(runner, db, queued)
    assert (job_.status, job_.error) == (
        ("cancelled", None) if kind == "scrape" else ("failed_permanent", "timed out after 5.5 s")
    )
    async with db.tenant_tx(tenant_a) as tx:
        assert [line.line for line in await runner.logs(tx, tenant_a, queued.id)] == ["started"]


async def test_a_postponed_job_waits_and_keeps_its_attempts(db: SimpleDatabase, tenant_a: UUID) -> None:
    @job("work", max_attempts=1)
    async def work(ctx: JobContext) -> dict[str, Any]:
        if not busy:
            return {"attempt": ctx.attempt}
        raise JobPostponed(30, "another one is at it")

    clock, busy = FakeClock(), [True]
    runner = make_runner(db, work, clock=clock)
    queued = await enqueue(runner, db, tenant_a, "work")
    assert await runner.run_due() == 1
    waiting = await read(runner, db, queued)
    assert (waiting.status, waiting.attempt, waiting.error) == (
        "pending",
        0,
        "another one is at it",
    )
    clock.advance(29)
    assert await runner.run_due() == 0
    clock.advance(2)
    busy.clear()
    assert await runner.run_due() == 1
    assert (await read(runner, db, queued)).result == {"attempt": 1}


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
