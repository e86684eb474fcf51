"""What a running job may do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from shared.database import SimpleDatabase, Tx
from shared.jobs import children, repository
from shared.jobs.children import ChildResult
from shared.jobs.models import Job, JobCancelled, LeaseLostError, LogLevel
from shared.jobs.repository import Claimed
from shared.utils.clock import Clock

_PROGRESS_SECONDS = 0.5


class JobContext:
    """Handed to a job's function. Every write through it is refused with `LeaseLostError` once another
    worker has taken the job over.
    """

    def __init__(self, held: Claimed, db: SimpleDatabase, runtime: Any, clock: Clock) -> None:
        self._held = held
        self._db = db
        self._clock = clock
        self._progress: dict[str, Any] | None = None
        self._progress_saved_at = float("-inf")
        self._stop = asyncio.Event()
        self.runtime = runtime

    @property
    def job(self) -> Job:
        return self._held.job

    @property
    def payload(self) -> dict[str, Any]:
        return self._held.job.payload

    @property
    def tenant_id(self) -> UUID | None:
        return self._held.job.tenant_id

    @property
    def attempt(self) -> int:
        """1 for the first."""
        return self._held.job.attempt

    @property
    def is_cancelled(self) -> bool:
        return self._stop.is_set()

    @property
    def unsaved_progress(self) -> dict[str, Any] | None:
        """The latest progress; written at the end at the latest."""
        return self._progress

    def request_stop(self) -> None:
        """For the worker: the job was asked to stop."""
        self._stop.set()

    def check_cancelled(self) -> None:
        """Raise `JobCancelled` when the job was asked to stop. Call it between steps of work."""
        if self._stop.is_set():
            raise JobCancelled

    @asynccontextmanager
    async def tx(self) -> AsyncIterator[Tx]:
        """A transaction of the job's tenant (over all tenants for a job that has none).

        It is committed only if the job is still this worker's, so a worker that was believed dead cannot do
        the work a second time.
        """
        opened = self._db.system_tx() if self.tenant_id is None else self._db.tenant_tx(self.tenant_id)
        async with opened as tx:
            await self._check_held(tx)
            yield tx
            await self._check_held(tx)

    async def _check_held(self, tx: Tx) -> None:
        if not await repository.holds(tx, self._held):
            raise LeaseLostError

    async def progress(self, done: int, total: int | None = None, **extra: Any) -> None:
        """Show how far the job is. Call as often as you like: at most two writes a second.

        Raises `JobCancelled` like `check_cancelled`.
        """
        self.check_cancelled()
        self._progress = {"done": done, "total": total, **extra}
        if time.monotonic() - self._progress_saved_at < _PROGRESS_SECONDS:
            return
        self._progress_saved_at = time.monotonic()
        async with self._db.system_tx() as tx:
            asked = await repository.save_progress(tx, self._held, self._progress)
        if asked is None:
            raise LeaseLostError
        if asked:
            self.request_stop()

    async def log(self, line: str, level: LogLevel = "info") -> None:
        """Add a line to the job's log: up to 2,000 characters, and 1,000 lines a job."""
        async with self._db.system_tx() as tx:
            held = await repository.add_log(tx, self._held, level, line, self._clock.now())
        if not held:
            raise LeaseLostError

    async def run_child(
        self,
        *argv: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        grace: float = children.GRACE_SECONDS,
    ) -> ChildResult:
        """Run a program, its output in the job's log. It and all it started end with the job, by force
        `grace` seconds after it was asked to.

        Raises `JobCancelled` when the job was asked to stop meanwhile.
        """
        result = await children.run_child(
            argv, stop=self._stop, on_line=self.log, cwd=cwd, env=env, grace=grace
        )
        self.check_cancelled()
        return result
