"""The job that does one thing to many contacts, a batch in a transaction with the cursor behind it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from campaign_service.contacts import repository as contacts
from campaign_service.contacts.operations import repository, service
from campaign_service.contacts.operations.file import ExportFile, remove
from campaign_service.settings import settings_of
from campaign_service.tags import repository as tags
from campaign_service.validation.job import Validation
from campaign_service.validation.schemas import ValidateIn
from shared.database import Tx
from shared.errors import PermanentError
from shared.jobs import JobContext, Schedule, job

_BATCH = 1000
_KEPT = timedelta(days=7)


@job(service.JOB_TYPE, max_attempts=5, backoff=5.0, timeout=6 * 3600.0)
async def operate(ctx: JobContext) -> dict[str, Any]:
    """Go on behind the cursor until nobody is left; the counts."""
    operation_id = UUID(ctx.payload["operation_id"])
    async with ctx.tx() as tx:
        plan = await repository.get(tx, tx.tenant, operation_id)
    if plan is None:
        raise PermanentError("the operation is gone")
    return await _Operation(ctx, plan).run()


class _FileWithdrawnError(Exception):
    """The file that is being written was taken away: somebody who may be in it was erased."""


class _Operation:
    def __init__(self, ctx: JobContext, plan: dict[str, Any]) -> None:
        self._ctx = ctx
        self._begin(plan)
        self._file: ExportFile | None = None
        self._validation: Validation | None = None

    def _begin(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._cursor: UUID | None = plan["cursor"]
        self._counts = Counter(done=plan["done"], changed=plan["changed"])

    async def run(self) -> dict[str, Any]:
        await self._prepare()
        while await self._step_or_again():
            await self._ctx.progress(
                self._counts["done"], self._plan["total"], changed=self._counts["changed"]
            )
        result = {"action": self._plan["action"], **self._counts}
        return result | (self._validation.report() if self._validation else {})

    async def _prepare(self) -> None:
        if self._plan["action"] == "validate":
            self._validation = Validation(self._ctx, ValidateIn(), self._plan["created_at"])
        if self._plan["action"] == "export":
            async with self._ctx.tx() as tx:
                plan = await repository.get(tx, tx.tenant, self._plan["id"], lock=True)
                assert plan is not None, "operations are never deleted"
                self._begin(plan)
                folder = settings_of(self._ctx.runtime).data_dir / "exports" / str(tx.tenant)
                self._file = await ExportFile.open(folder, plan, self._ctx.attempt)
                await repository.start_file(tx, tx.tenant, plan["id"], *self._file.state)

    async def _step_or_again(self) -> bool:
        try:
            return await self._step()
        except _FileWithdrawnError:
            await self._prepare()
            return True

    async def _step(self) -> bool:
        """One batch; False when nobody is left."""
        self._ctx.check_cancelled()
        async with self._ctx.tx() as tx:
            ids = await self._next(tx)
            if not ids:
                return False
            if self._validation is None:
                await self._advance(tx, ids, await self._do(tx, ids))
        if self._validation is not None:
            # The DNS is asked while no transaction is open.
            changed = await self._validation.some(ids)
            async with self._ctx.tx() as tx:
                await self._advance(tx, ids, changed)
        return True

    async def _next(self, tx: Tx) -> list[UUID]:
        until = self._plan["created_at"]
        choice = await service.choice_of(tx, tx.tenant, self._plan["request"], until)
        return await repository.next_ids(tx, choice, until, self._cursor, _BATCH)

    async def _advance(self, tx: Tx, ids: Sequence[UUID], changed: int) -> None:
        file = self._file.state if self._file else None
        if not await repository.advance(tx, tx.tenant, self._plan["id"], ids[-1], len(ids), changed, file):
            raise _FileWithdrawnError
        self._cursor = ids[-1]
        self._counts.update(done=len(ids), changed=changed)

    async def _do(self, tx: Tx, ids: Sequence[UUID]) -> int:
        """How many of them were changed."""
        request = self._plan["request"]
        match self._plan["action"]:
            case "tag":
                made = await tags.ensure(tx, tx.tenant, request["tags"])
                return len(set(await tags.attach(tx, tx.tenant, ids, list(made.values()))))
            case "untag":
                return len(set(await tags.detach(tx, tx.tenant, ids, request["tags"])))
            case "status":
                return await repository.set_status(tx, tx.tenant, ids, request["status"])
            case "delete":
                return len(await contacts.delete_many(tx, tx.tenant, ids))
            case _:
                assert self._file is not None
                people = await contacts.get_many(tx, tx.tenant, ids)
                try:
                    await self._file.add(people)
                except FileNotFoundError as error:
                    raise _FileWithdrawnError from error
                return 0


@job("contacts.operation.sweep", max_attempts=1)
async def sweep_exports(ctx: JobContext) -> dict[str, Any]:
    """Remove files that were asked for more than a week ago."""
    async with ctx.tx() as tx:
        paths = await repository.forget_files(tx, ctx.runtime.clock.now() - _KEPT)
    for path in paths:
        await asyncio.to_thread(remove, Path(path))
    return {"removed": len(paths)}


JOBS = [operate, sweep_exports]
SCHEDULES = [Schedule("contacts.operation.sweep", "04:10", "contacts.operation.sweep")]
