"""What people and services do with jobs: enqueue, list, cancel, requeue, pause."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import SimpleDatabase, Tx
from shared.errors import NotFoundError
from shared.jobs import repository
from shared.jobs.models import Job, JobAlreadyActive, JobFinished, JobSpec, LogLine, NewJob
from shared.utils.clock import Clock
from shared.utils.ids import uuid7


class JobDesk:
    """The jobs of a service, without running any."""

    def __init__(self, db: SimpleDatabase, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._specs: dict[str, JobSpec] = {}
        self._wake = asyncio.Event()

    def _spec(self, job_type: str) -> JobSpec:
        spec = self._specs.get(job_type)
        if spec is None:
            raise ValueError(f"{job_type} is no kind of job of this service")
        return spec

    async def enqueue(
        self,
        tx: Tx,
        type: str,  # noqa: A002  # the word users know
        payload: dict[str, Any] | None = None,
        *,
        tenant_id: UUID | None,
        unique_key: str | None = None,
        run_at: datetime | None = None,
        created_by: str | None = None,
    ) -> Job:
        """Add a job in the caller's transaction. `tenant_id=None`, for the installation, needs `system_tx`.

        Raises `JobAlreadyActive` while one of this tenant, type and `unique_key` waits or runs, ValueError
        for an unknown type or another tenant than the transaction's.
        """
        if tx.tenant_id is not None and tx.tenant_id != tenant_id:
            raise ValueError("the job belongs to another tenant than the transaction")
        now = self._clock.now()
        job = NewJob(
            id=uuid7(),
            tenant_id=tenant_id,
            type=type,
            unique_key=unique_key,
            payload=payload or {},
            max_attempts=self._spec(type).max_attempts,
            run_at=run_at or now,
            created_by=created_by,
            created_at=now,
        )
        stored = await repository.insert(tx, job)
        tx.after_commit.append(self._wake.set)
        return stored

    async def list(
        self,
        tx: Tx,
        tenant_id: UUID,
        *,
        type: str | None = None,  # noqa: A002
        status: str | None = None,
        before: UUID | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Newest first, from the one before the id `before`."""
        return await repository.list_jobs(
            tx, tenant_id, job_type=type, status=status, before=before, limit=limit
        )

    async def get(self, tx: Tx, tenant_id: UUID | None, job_id: UUID) -> Job:
        """The job; `NotFoundError` when it is not there or another tenant's."""
        job = await repository.get(tx, tenant_id, job_id)
        if job is None:
            raise NotFoundError("There is no such job")
        return job

    async def logs(
        self, tx: Tx, tenant_id: UUID, job_id: UUID, *, after: int = 0, limit: int = 200
    ) -> Sequence[LogLine]:
        """Lines after the number `after`, in order. `NotFoundError` as for `get`."""
        await self.get(tx, tenant_id, job_id)
        return await repository.logs(tx, tenant_id, job_id, after, limit)

    async def cancel(self, tx: Tx, tenant_id: UUID | None, job_id: UUID) -> Job:
        """Cancel a waiting job at once; ask a running one to stop, which it does at its next check.

        `JobFinished` (409) when it has ended, `NotFoundError` when it is not there.
        """
        job = await repository.request_cancel(tx, tenant_id, job_id, self._clock.now())
        if job is None:
            ended = await self.get(tx, tenant_id, job_id)
            raise JobFinished(f"The job has already ended: {ended.status}")
        tx.after_commit.append(lambda: self._ask_to_stop([job_id]))
        return job

    async def requeue(self, tx: Tx, tenant_id: UUID | None, job_id: UUID) -> Job:
        """Give a dead or cancelled job fresh attempts.

        `JobFinished` (409) in another status, `JobAlreadyActive` when its unique key is taken by now.
        """
        current = await self.get(tx, tenant_id, job_id)
        if current.unique_key is not None:
            active = await repository.find_active(tx, tenant_id, current.type, current.unique_key)
            if active is not None and active != job_id:
                raise JobAlreadyActive(active)
        job = await repository.requeue(tx, tenant_id, job_id, self._clock.now())
        if job is None:
            raise JobFinished(f"Only a failed or cancelled job can run again; this one is {current.status}")
        tx.after_commit.append(self._wake.set)
        return job

    async def pause(self, job_type: str) -> None:
        """Begin no more jobs of a type, in all processes, until `resume`; those that run go on."""
        await self._set_paused(job_type, True)

    async def resume(self, job_type: str) -> None:
        await self._set_paused(job_type, False)
        self._wake.set()

    async def _set_paused(self, job_type: str, paused: bool) -> None:
        self._spec(job_type)
        async with self._db.system_tx() as tx:
            await repository.set_paused(tx, job_type, paused, self._clock.now())

    def _ask_to_stop(self, job_ids: Sequence[UUID]) -> None:
        """Tell those of these jobs that run in this process."""
