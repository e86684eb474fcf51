"""The journal of a job: its rows in the database, each step in a transaction that the job must still hold."""

from __future__ import annotations

from typing import Any, Literal

from code_service.automation import repository
from code_service.automation.planning.model import Action, PlannedRow
from code_service.automation.repository import Step
from code_service.automation.steps import Outcome
from shared.database import Tx
from shared.jobs import JobContext
from shared.utils import Clock


class JobJournal:
    """Writes how far a job is, and what that means for our own codes of the same names."""

    def __init__(self, ctx: JobContext, action: Action) -> None:
        self._ctx = ctx
        self._action = action
        self._clock: Clock = ctx.runtime.clock

    async def steps(self) -> list[Step]:
        """The rows as they stand. With fresh attempts (a requeued job) the failed ones are tried again."""
        # A job that was only postponed is at its first attempt too, but remembers why.
        is_fresh = self._ctx.attempt == 1 and self._ctx.job.error is None
        async with self._ctx.tx() as tx:
            if is_fresh:
                await repository.retry_failed(tx, tx.tenant, self._ctx.job.id)
            return await repository.steps(tx, tx.tenant, self._ctx.job.id)

    async def stored(self, tx: Tx) -> list[Step]:
        return await repository.steps(tx, tx.tenant, self._ctx.job.id)

    async def begin(self, step: Step) -> None:
        now = self._clock.now()
        async with self._ctx.tx() as tx:
            await repository.begin(tx, tx.tenant, self._ctx.job.id, step.place, now)
            await repository.set_sync(tx, tx.tenant, step.row.code, "pushing", now)

    async def end(self, step: Step, outcome: Outcome) -> None:
        async with self._ctx.tx() as tx:
            reason = outcome.reason
            is_renamed = await self._apply(tx, step.row, outcome)
            if is_renamed is False:
                conflict = f"another of our codes is called {step.row.new_code}; ours stays {step.row.code}"
                reason = f"{reason}; {conflict}" if reason else conflict
            now = self._clock.now()
            await repository.end(tx, tx.tenant, self._ctx.job.id, step.place, outcome.state, reason, now)
            name = (step.row.new_code if is_renamed else None) or step.row.code
            await repository.mark_waiting_again(tx, tx.tenant, self._ctx.job.id, name, now)

    async def _apply(self, tx: Tx, row: PlannedRow, outcome: Outcome) -> bool | None:
        """Let our own code follow; False when it cannot take its new name."""
        now = self._clock.now()
        state: Literal["failed", "synced"] = "failed" if outcome.state == "failed" else "synced"
        by = self._by(outcome)
        if self._action == "rename" and state == "synced" and row.new_code is not None:
            return await repository.rename(tx, tx.tenant, row.code, row.new_code, now, by)
        if state == "synced":
            await repository.set_values(tx, tx.tenant, row.code, row.wanted, now)
        await repository.set_sync(tx, tx.tenant, row.code, state, now, by)
        return None

    def _by(self, outcome: Outcome) -> dict[str, Any]:
        reason = f"{self._action} at Fienta: {outcome.reason or outcome.state}"
        payload = self._ctx.payload
        return {
            "actor": payload["actor"],
            "reason": reason[:255],
            "reference": f"job:{self._ctx.job.id}",
            "request_id": payload["request_id"],
        }

    async def mark_unsure(self) -> None:
        """After a stop: what was being done may be done or not."""
        async with self._ctx.tx() as tx:
            await repository.mark_unsure(tx, tx.tenant, self._ctx.job.id, self._clock.now())
