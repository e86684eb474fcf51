"""The jobs of one service process: enqueue, work, schedules, and what people do with jobs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import SimpleDatabase, Tx
from shared.jobs import metrics, repository, retention
from shared.jobs.context import JobContext
from shared.jobs.desk import JobDesk
from shared.jobs.models import Job, JobAlreadyActive, JobSpec
from shared.jobs.repository import Claimed
from shared.jobs.schedules import Schedule
from shared.jobs.worker import Running, Worker
from shared.utils.clock import Clock, SystemClock
from shared.utils.ids import uuid7
from shared.utils.logging import logger

HEARTBEAT_SECONDS = 10.0
LEASE_SECONDS = 60.0
DEFAULT_TIMEOUT_SECONDS = 3600.0
STOP_TIMEOUT_SECONDS = 20.0
_SWEEP_SECONDS = 15.0


class JobRunner(JobDesk):
    """Background jobs of a service: what `JobDesk` offers at once, and work from `start` on.

    `concurrency` is the number of jobs at once in this process; `poll`, `heartbeat` and `lease` are in
    seconds. A job whose worker is not heard of for `lease` seconds is given to another.
    """

    def __init__(
        self,
        db: SimpleDatabase,
        *,
        clock: Clock | None = None,
        concurrency: int = 4,
        poll: float = 1.0,
        heartbeat: float = HEARTBEAT_SECONDS,
        lease: float = LEASE_SECONDS,
    ) -> None:
        super().__init__(db, clock or SystemClock())
        self._concurrency = concurrency
        self._poll = poll
        self._heartbeat = heartbeat
        self._lease = lease
        self._name = f"{socket.gethostname()}:{os.getpid()}:{uuid7().hex[-6:]}"
        self._schedules: tuple[Schedule, ...] = ()
        self._seen_due: dict[str, datetime] = {}
        self._runtime: Any = None
        self._running: dict[UUID, Running] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._stopping = False
        self.worker = self._make_worker()

    def bind(self, runtime: Any, specs: Sequence[JobSpec], schedules: Sequence[Schedule] = ()) -> None:
        """Give the runner its kinds of jobs and what they get as `ctx.runtime`. Call before `start`.

        Raises ValueError for two kinds of one name, or a schedule that is wrong or of an unknown kind.
        """
        specs = (*specs, *retention.SPECS)
        self._runtime = runtime
        self._specs = {spec.type: spec for spec in specs}
        self._schedules = (*schedules, *retention.SCHEDULES)
        if len(self._specs) != len(specs) or len({s.name for s in self._schedules}) != len(self._schedules):
            raise ValueError("two jobs or two schedules of a service share a name")
        for schedule in self._schedules:
            self._spec(schedule.type)
            schedule.latest_due(self._clock.now())
        self.worker = self._make_worker()

    def _make_worker(self) -> Worker:
        config = getattr(self._runtime, "config", None)
        return Worker(
            self._db,
            self._clock,
            self._specs,
            service=getattr(self._runtime, "name", self._db.schema),
            events=getattr(self._runtime, "events", None),
            default_timeout=getattr(config, "job_timeout_seconds", DEFAULT_TIMEOUT_SECONDS),
        )

    # Working

    async def start(self) -> None:
        self._loops = [
            asyncio.create_task(self._forever(step, seconds), name=f"jobs {step.__name__}")
            for step, seconds in (
                (self.renew, self._heartbeat),
                (self.watch_cancels, self._poll),
                (self.sweep, min(_SWEEP_SECONDS, self._lease / 4)),
                (self.run_schedules, 1.0),
            )
        ]
        self._loops.append(asyncio.create_task(self._claim_forever(), name="jobs claim"))

    async def stop(self) -> None:
        """Begin nothing new, give running jobs 20 s to end, put the rest back to run elsewhere."""
        self._stopping = True
        self._wake.set()
        tasks = [one.task for one in self._running.values() if one.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_TIMEOUT_SECONDS)
        for one in list(self._running.values()):
            one.stop("shutdown")
        await asyncio.gather(*tasks, return_exceptions=True)
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def run_due(self) -> int:
        """Run all jobs due now to their end, batch after batch; how many. For tests and tools."""
        ran = 0
        while claimed := await self._claim(self._concurrency):
            await asyncio.gather(*(self._begin(held) for held in claimed))
            ran += len(claimed)
        return ran

    async def _claim_forever(self) -> None:
        while not self._stopping:
            self._wake.clear()
            free = self._concurrency - len(self._running)
            claimed: Sequence[Claimed] = ()
            try:
                claimed = await self._claim(free) if free > 0 else ()
            except Exception as error:  # noqa: BLE001  # the worker must outlive every fault of the database
                logger.warning("no jobs could be claimed", error=error)
            for held in claimed:
                self._begin(held).add_done_callback(lambda _: self._wake.set())
            if not claimed:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._poll)

    async def _claim(self, limit: int) -> Sequence[Claimed]:
        async with self._db.system_tx() as tx:
            return await repository.claim(tx, list(self._specs), limit, self._name, self._clock.now())

    def _begin(self, held: Claimed) -> asyncio.Task[None]:
        running = Running(held, JobContext(held, self._db, self._runtime, self._clock))
        running.task = task = asyncio.create_task(self._run(running))
        self._running[held.job.id] = running
        return task

    async def _run(self, running: Running) -> None:
        metrics.running.inc()
        try:
            await self.worker.run(running)
        finally:
            metrics.running.dec()
            if self._running.get(running.held.job.id) is running:
                del self._running[running.held.job.id]

    async def _forever(self, step: Callable[[], Awaitable[object]], seconds: float) -> None:
        while True:
            try:
                await step()
            except Exception as error:  # noqa: BLE001  # the next round may find the database well again
                logger.warning("a step of the job runner failed", step=step.__name__, error=error)
            await asyncio.sleep(seconds)

    async def renew(self) -> None:
        """Renew the leases of running jobs; stop those that are lost, and those that may be by now."""
        held = list(self._running.values())
        if not held:
            return
        try:
            async with self._db.system_tx() as tx:
                pairs = [(one.held.job.id, one.held.token) for one in held]
                alive = await repository.heartbeat(tx, pairs, self._clock.now())
        except Exception:  # whatever failed, a job whose lease has run out must stop first; then it is raised
            self._stop_expired(held)
            raise
        for one in held:
            if one.held.job.id not in alive:
                one.stop("lost")
            else:
                one.renewed_at = time.monotonic()
                if alive[one.held.job.id]:
                    one.context.request_stop()

    def _stop_expired(self, held: Sequence[Running]) -> None:
        """Without the database nobody can say whose a job is: after the lease it is not ours."""
        for one in held:
            if time.monotonic() - one.renewed_at > self._lease:
                one.stop("lost")

    async def watch_cancels(self) -> None:
        """Tell running jobs that were asked to stop by another process."""
        if self._running:
            async with self._db.system_tx() as tx:
                asked = await repository.asked_to_stop(tx, list(self._running))
            self._ask_to_stop(asked)

    def _ask_to_stop(self, job_ids: Sequence[UUID]) -> None:
        for job_id in job_ids:
            if job_id in self._running:
                self._running[job_id].context.request_stop()

    async def sweep(self) -> Sequence[UUID]:
        """Rescue jobs of workers that were not heard of; their ids."""
        rescued = await self.worker.rescue(self._lease)
        if rescued:
            self._wake.set()
        return rescued

    async def run_schedules(self) -> Sequence[Job]:
        """Enqueue what is due and no other process has enqueued."""
        enqueued = [await self._run_schedule(schedule) for schedule in self._schedules]
        return [job for job in enqueued if job is not None]

    async def _run_schedule(self, schedule: Schedule) -> Job | None:
        now = self._clock.now()
        due = schedule.latest_due(now)
        if self._seen_due.get(schedule.name) == due:
            return None
        async with self._db.system_tx() as tx:
            await repository.know_schedule(tx, schedule.name, now)
            job = None
            if await repository.take_due_time(tx, schedule.name, due):
                job = await self._enqueue_scheduled(tx, schedule, due)
        self._seen_due[schedule.name] = due
        return job

    async def _enqueue_scheduled(self, tx: Tx, schedule: Schedule, due: datetime) -> Job | None:
        key = f"schedule:{schedule.name}"
        try:
            job = await self.enqueue(
                tx, schedule.type, schedule.payload, tenant_id=None, unique_key=key, created_by=key
            )
        except JobAlreadyActive:
            logger.info("the run before is still active; this one is left out", schedule=schedule.name)
            return None
        await repository.note_schedule_run(tx, schedule.name, due, job.id)
        return job
