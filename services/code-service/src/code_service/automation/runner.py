"""All rows of a plan, one after the other: the same for jobs and for commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from code_service.automation.planning.model import Action
from code_service.automation.repository import Step
from code_service.automation.steps import Outcome, perform
from code_service.fienta.port import FientaBusy, FientaDiscounts, FientaUnavailable

#: So often a row may find the shop out of order before it is left behind.
MAX_TRIES = 3

OnEnd = Callable[[Step, Outcome], Awaitable[None]]


class Journal(Protocol):
    """Where it stands how far the work is; it must survive the process."""

    async def begin(self, step: Step) -> None:
        """Before the shop is asked."""
        ...

    async def end(self, step: Step, outcome: Outcome) -> None:
        """After the shop has answered."""
        ...


@dataclass
class Tally:
    """What a run did; `unavailable` is set when it had to stop because the shop is out of order."""

    done: int = 0
    skipped: int = 0
    failed: int = 0
    unavailable: FientaUnavailable | None = None
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    def add(self, step: Step, outcome: Outcome) -> None:
        setattr(self, outcome.state, getattr(self, outcome.state) + 1)
        self.outcomes[step.place] = outcome


async def run_rows(
    action: Action,
    steps: Sequence[Step],
    fienta: FientaDiscounts,
    journal: Journal,
    *,
    check: Callable[[], None],
    on_end: OnEnd,
) -> Tally:
    """Do the rows that are still to do. `check` raises when the work shall stop; so may the shop."""
    tally = Tally()
    for step in steps:
        if not step.is_open:
            continue
        check()
        await journal.begin(step)
        try:
            outcome = await perform(action, step.row, fienta, was_begun=step.tries > 0)
        except FientaBusy:
            raise
        except FientaUnavailable as error:
            if step.tries + 1 < MAX_TRIES:
                tally.unavailable = error
                return tally
            outcome = Outcome("failed", f"given up after {MAX_TRIES} tries: {error}")
        await journal.end(step, outcome)
        tally.add(step, outcome)
        await on_end(step, outcome)
    return tally
