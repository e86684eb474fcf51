"""Runs claimed jobs and writes down how they ended."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.database import SimpleDatabase, Tx
from shared.errors import PermanentError
from shared.events.catalog import JobFailedPermanently
from shared.events.envelope import new_event
from shared.jobs import metrics, repository
from shared.jobs.context import JobContext
from shared.jobs.models import Job, JobCancelled, JobPostponed, JobSpec, LeaseLostError
from shared.jobs.repository import Claimed
from shared.utils.clock import Clock
from shared.utils.logging import logger

if TYPE_CHECKING:
    from shared.events import EventBus

MAX_BACKOFF_SECONDS = 86_400.0
_MAX_ERROR_TEXT = 4_000


@dataclass(slots=True, eq=False)
class Running:
    """A job in this process. `why_stopped` tells a cancelled task what to write down."""

    held: Claimed
    context: JobContext
    task: asyncio.Task[None] | None = None
    why_stopped: str | None = None
    renewed_at: float = field(default_factory=time.monotonic)

    def stop(self, why: str) -> None:
        """End the job's task; `why` is `lost` or `shutdown`."""
        self.why_stopped = why
        if self.task is not None:
            self.task.cancel()


class Worker:
    """Executes attempts. `settle` runs in one transaction per end of an attempt, fenced by the lock token."""

    def __init__(
        self,
        db: SimpleDatabase,
        clock: Clock,
        specs: Mapping[str, JobSpec],
        *,
        service: str,
        events: EventBus | None,
        default_timeout: float,
        jitter: Callable[[], float] = lambda: random.uniform(-1, 1),
    ) -> None:
        self._db = db
        self._clock = clock
        self._specs = specs
        self._service = service
        self._events = events
        self._default_timeout = default_timeout
        self._jitter = jitter

    async def run(self, running: Running) -> None:
        """One attempt from claim to end. Raises nothing but cancellation of the whole worker."""
        job = running.held.job
        spec = self._specs[job.type]
        began = time.perf_counter()
        with logger.set_context(job_id=str(job.id), job_type=job.type, attempt=job.attempt):
            try:
                outcome = await self._attempt(running, spec)
            except LeaseLostError:
                logger.warning("the job was taken over by another worker; its work here is void")
                outcome = "lost"
            except Exception as error:  # noqa: BLE001  # the end could not be written: the job will be rescued
                logger.exception("the end of a job could not be written", error=error)
                outcome = "unsettled"
        metrics.attempts.labels(job.type, outcome).inc()
        metrics.duration.labels(job.type).observe(time.perf_counter() - began)

    async def _attempt(self, running: Running, spec: JobSpec) -> str:
        held, context = running.held, running.context
        limit = spec.timeout or self._default_timeout
        timer = asyncio.timeout(limit)
        try:
            async with timer:
                result = await spec.handler(context)
            return await self._complete(held, context, result)
        except JobCancelled:
            return await self._end(held, context, "cancelled")
        except JobPostponed as error:
            return await self._postpone(held, error)
        except LeaseLostError:
            raise
        except PermanentError as error:
            return await self._give_up(held, context, _describe(error))
        except asyncio.CancelledError:
            return await self._after_stop(running)
        except Exception as error:  # noqa: BLE001  # whatever a job raises is an attempt that failed
            text = f"timed out after {limit:g} s" if timer.expired() else _describe(error)
            logger.warning("job failed", error=text, exc_info=not timer.expired())
            return await self.fail(held, spec, text)

    async def _postpone(self, held: Claimed, why: JobPostponed) -> str:
        later = self._clock.now() + timedelta(seconds=why.seconds)
        async with self._db.system_tx() as tx:
            if not await repository.put_back(tx, held, later, error=str(why), counts=False):
                raise LeaseLostError
        return "postponed"

    async def _after_stop(self, running: Running) -> str:
        if running.why_stopped == "lost":
            raise LeaseLostError
        if running.why_stopped != "shutdown":
            raise asyncio.CancelledError
        async with self._db.system_tx() as tx:
            await repository.put_back(tx, running.held, self._clock.now(), error=None, counts=False)
        return "put_back"

    async def _complete(self, held: Claimed, context: JobContext, result: dict[str, Any] | None) -> str:
        async with self._db.system_tx() as tx:
            done = await repository.finish(
                tx, held, "completed", self._clock.now(), result=result, progress=context.unsaved_progress
            )
        if not done:
            raise LeaseLostError
        return "completed"

    async def _end(self, held: Claimed, context: JobContext, status: str) -> str:
        async with self._db.system_tx() as tx:
            ended = await repository.finish(
                tx, held, "cancelled", self._clock.now(), progress=context.unsaved_progress
            )
        if not ended:
            raise LeaseLostError
        return status

    async def _give_up(self, held: Claimed, context: JobContext | None, error: str) -> str:
        async with self._db.system_tx() as tx:
            await self.bury(tx, held, error, context.unsaved_progress if context else None)
        return "failed_permanent"

    async def fail(self, held: Claimed, spec: JobSpec, error: str) -> str:
        """Write down a failed attempt: wait for the next one, or give up after the last."""
        if held.job.attempt >= held.job.max_attempts:
            return await self._give_up(held, None, error)
        async with self._db.system_tx() as tx:
            if not await repository.put_back(tx, held, self.next_run(held.job, spec), error=error):
                raise LeaseLostError
        return "failed"

    def next_run(self, job: Job, spec: JobSpec) -> Any:
        """When the attempt after a failed one may begin."""
        wait = min(spec.backoff * 2.0**job.attempt, MAX_BACKOFF_SECONDS) * (1 + 0.1 * self._jitter())
        return self._clock.now() + timedelta(seconds=wait)

    async def bury(self, tx: Tx, held: Claimed, error: str, progress: dict[str, Any] | None = None) -> None:
        """End a job for good and tell of it, in one transaction."""
        job, now = held.job, self._clock.now()
        if not await repository.finish(tx, held, "failed_permanent", now, error=error, progress=progress):
            raise LeaseLostError
        logger.error("job failed for good", job_id=str(job.id), job_type=job.type, error=error)
        if self._events is None:
            return
        fact = JobFailedPermanently(
            job_id=job.id,
            job_type=job.type,
            service=self._service,
            attempts=job.attempt,
            error=error,
            failed_at=now,
        )
        event = new_event("job.failed_permanently.v1", fact, tenant_id=job.tenant_id, subject=str(job.id))
        await self._events.publish(tx, event)

    async def rescue(self, older_than: float) -> list[UUID]:
        """Take over jobs whose worker was not heard of for so many seconds: next attempt, or the end."""
        rescued = []
        async with self._db.system_tx() as tx:
            before = self._clock.now() - timedelta(seconds=older_than)
            for held in await repository.claim_stale(tx, before):
                await self._rescue(tx, held)
                rescued.append(held.job.id)
        return rescued

    async def _rescue(self, tx: Tx, held: Claimed) -> None:
        job = held.job
        error = "the worker was not heard of any more"
        metrics.rescued.labels(job.type).inc()
        logger.warning("job rescued", job_id=str(job.id), job_type=job.type, attempt=job.attempt)
        if job.cancel_requested:
            await repository.finish(tx, held, "cancelled", self._clock.now())
        elif job.attempt >= job.max_attempts:
            await self.bury(tx, held, error)
        else:
            # A worker that died says nothing against the job: no waiting.
            await repository.put_back(tx, held, self._clock.now(), error=error)


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".replace("\x00", "\ufffd")[:_MAX_ERROR_TEXT]
