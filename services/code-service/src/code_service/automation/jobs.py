"""The jobs that make, rename and change codes at the ticket shop; their requests have planned the rows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from code_service.automation import reports
from code_service.automation.journal import JobJournal
from code_service.automation.planning.model import Action
from code_service.automation.repository import Step
from code_service.automation.runner import Tally, run_rows
from code_service.automation.shop import shop_of
from code_service.automation.steps import Outcome, perform
from code_service.batch_jobs.files import JobFiles, safe_name
from code_service.fienta.memory import MemoryDiscounts
from code_service.fienta.port import FientaBusy, FientaDiscounts, FientaNotConfigured
from code_service.settings import Settings, settings_of
from shared.errors import PermanentError
from shared.jobs import JobCancelled, JobContext, JobPostponed, JobSpec

CREATE = "fienta.create_codes"
RENAME = "fienta.rename_codes"
UPDATE = "fienta.update_discount"
ACTIONS: Mapping[str, Action] = {CREATE: "create", RENAME: "rename", UPDATE: "update"}

_BUSY_SECONDS = 10.0
_OUTAGE_SECONDS = 60.0
#: A log holds a thousand lines: after so many rows only failures and every hundredth row are told.
_ALL_LOGGED = 500
_MAX_EVIDENCE = 40


async def run(ctx: JobContext) -> dict[str, Any]:
    """Rehearse or do the rows of a job."""
    try:
        return await _Run(ctx).go()
    except FientaBusy as error:
        raise JobPostponed(_BUSY_SECONDS, str(error)) from error


class _Run:
    """One attempt of one job."""

    def __init__(self, ctx: JobContext) -> None:
        self._ctx = ctx
        self._options: dict[str, Any] = ctx.payload["options"]
        self._action = ACTIONS[ctx.job.type]
        self._journal = JobJournal(ctx, self._action)
        tenant_id = ctx.tenant_id
        assert tenant_id is not None, "these jobs are tenants' own"
        self._tenant_id = tenant_id
        self._files = JobFiles(settings_of(ctx.runtime).data_dir, tenant_id, ctx.job.id)
        self._steps: list[Step] = []
        self._ended = 0
        self._kept = 0

    async def go(self) -> dict[str, Any]:
        self._steps = await self._journal.steps()
        if self._options["dry_run"]:
            return await self._rehearse()
        return await self._do()

    # For real

    async def _do(self) -> dict[str, Any]:
        self._ended = sum(not step.is_open for step in self._steps)
        try:
            # Nobody logs in for nothing.
            tally = await self._work() if self._ended < len(self._steps) else Tally()
        except (JobCancelled, PermanentError, asyncio.CancelledError):
            await self._journal.mark_unsure()
            await self._report()
            raise
        return await self._finish(tally)

    async def _work(self) -> Tally:
        async with self._open() as fienta:
            return await run_rows(
                self._action,
                self._steps,
                fienta,
                self._journal,
                check=self._ctx.check_cancelled,
                on_end=self._tell,
            )

    async def _finish(self, tally: Tally) -> dict[str, Any]:
        steps = await self._report()
        if tally.unavailable is not None:
            await self._journal.mark_unsure()
            if tally.done:
                # The shop went away in the middle: that says nothing against this job.
                raise JobPostponed(_OUTAGE_SECONDS, str(tally.unavailable))
            raise tally.unavailable
        result = reports.summary(self._action, steps, tally.outcomes, dry_run=False)
        if result["failed"] and not result["done"] and not result["skipped"]:
            first = result["failures"][0]
            raise PermanentError(
                f"none of {result['failed']} rows could be done; line {first['line']}: {first['reason']}"
            )
        return result

    async def _tell(self, step: Step, outcome: Outcome) -> None:
        self._ended += 1
        if self._ended <= _ALL_LOGGED or outcome.state == "failed" or self._ended % 100 == 0:
            await self._log_row(step, outcome)
        await self._ctx.progress(self._ended, len(self._steps))

    async def _log_row(self, step: Step, outcome: Outcome) -> None:
        name = f"{step.row.code} → {step.row.new_code}" if step.row.new_code else step.row.code
        why = f": {outcome.reason}" if outcome.reason else ""
        await self._ctx.log(
            f"line {step.row.line}: {name} {outcome.state}{why}",
            "warning" if outcome.state == "failed" else "info",
        )

    async def _report(self) -> list[Step]:
        """The rows as they stand now, written to a file too."""
        async with self._ctx.tx() as tx:
            steps = await self._journal.stored(tx)
        data = reports.table((step.row, None) for step in steps)
        await asyncio.to_thread(self._files.save, reports.RESULTS, data)
        return steps

    # As a rehearsal

    async def _rehearse(self) -> dict[str, Any]:
        outcomes: dict[int, Outcome] = {}
        compared = not self._options.get("report_only", False)
        if compared:
            try:
                async with self._open() as fienta:
                    copy = MemoryDiscounts(await fienta.list_codes())
                outcomes = await self._rehearse_on(copy)
            except FientaNotConfigured as error:
                compared = False
                await self._ctx.log(f"{error}: the plan is not compared with the shop", "warning")
        rows = [(step.row, outcomes.get(step.place)) for step in self._steps]
        data = reports.table(rows, rehearsed=True)
        await asyncio.to_thread(self._files.save, reports.PLAN, data)
        await self._ctx.progress(len(self._steps), len(self._steps))
        return reports.summary(self._action, self._steps, outcomes, dry_run=True, compared=compared)

    async def _rehearse_on(self, copy: FientaDiscounts) -> dict[int, Outcome]:
        """What each row would do, on a copy of what the shop has."""
        outcomes = {}
        for step in self._steps:
            self._ctx.check_cancelled()
            if step.row.state == "pending":
                outcomes[step.place] = outcome = await perform(self._action, step.row, copy)
                if outcome.state == "failed":
                    await self._log_row(step, outcome)
        return outcomes

    # The shop

    def _open(self) -> Any:
        settings = settings_of(self._ctx.runtime)
        return shop_of(self._ctx.runtime)(
            _with_login_time(settings, self._options["login_timeout_ms"]),
            self._ctx.runtime.db,
            self._tenant_id,
            event=self._options["event_id"],
            check=self._ctx.check_cancelled,
            keep=self._keep,
            headless=self._options["headless"],
        )

    async def _keep(self, name: str, data: bytes) -> None:
        """Store what the browser saw when a step failed."""
        if self._kept >= _MAX_EVIDENCE:
            return
        self._kept += 1
        kept = safe_name(name, "evidence")
        await asyncio.to_thread(self._files.save, kept, data)
        await self._ctx.log(f"kept {kept}", "warning")


def _with_login_time(settings: Settings, milliseconds: int | None) -> Settings:
    if milliseconds is None:
        return settings
    return settings.model_copy(update={"fienta_login_seconds": milliseconds / 1000})


JOBS = tuple(JobSpec(job_type, run, max_attempts=5, backoff=15.0) for job_type in ACTIONS)
