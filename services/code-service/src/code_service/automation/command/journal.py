"""How far a command is, in a file beside its results: the same command goes on where it was stopped."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from code_service.automation.planning.model import Action, PlannedRow
from code_service.automation.repository import Step
from code_service.automation.steps import Outcome

FILE = "journal.jsonl"


class FileJournal:
    """One line of JSON for each step begun or ended, after a first one that names the plan."""

    def __init__(
        self, folder: Path, action: Action, rows: Sequence[PlannedRow], *, restart: bool = False
    ) -> None:
        self._path = folder / FILE
        self._plan = _digest(action, rows)
        self.steps = [Step(place, row, 0) for place, row in enumerate(rows, start=1)]
        if restart or not self._replay():
            self._path.write_bytes(orjson.dumps({"plan": self._plan}) + b"\n")

    @property
    def is_resumed(self) -> bool:
        """Whether an earlier run of the same plan began any of its rows."""
        return any(step.tries for step in self.steps)

    def _replay(self) -> bool:
        """Take over what an earlier run of the same plan did; False when there was none."""
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        entries = [found for line in lines if (found := _entry(line)) is not None]
        if not entries or entries[0].get("plan") != self._plan:
            return False
        for entry in entries[1:]:
            place = entry["place"] - 1
            self.steps[place] = _after(self.steps[place], entry)
        # A row that was tried and failed is tried again, as a requeued job does.
        self.steps = [_again(step) for step in self.steps]
        return True

    async def begin(self, step: Step) -> None:
        self._note(step.place, "doing", None)

    async def end(self, step: Step, outcome: Outcome) -> None:
        self._note(step.place, outcome.state, outcome.reason)

    def _note(self, place: int, state: str, reason: str | None) -> None:
        entry = {"place": place, "state": state, "reason": reason}
        with self._path.open("ab") as file:
            file.write(orjson.dumps(entry) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.steps[place - 1] = _after(self.steps[place - 1], entry)


def _digest(action: Action, rows: Sequence[PlannedRow]) -> str:
    plan = [[row.line, row.code, row.new_code, row.wanted, row.state] for row in rows]
    return hashlib.sha256(orjson.dumps([action, plan], option=orjson.OPT_SORT_KEYS)).hexdigest()


def _entry(line: bytes) -> dict[str, Any] | None:
    """None for a line that a killed process did not finish."""
    try:
        found: dict[str, Any] = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return found


def _after(step: Step, entry: dict[str, Any]) -> Step:
    row = replace(step.row, state=entry["state"], reason=entry["reason"])
    return replace(step, row=row, tries=step.tries + (entry["state"] == "doing"))


def _again(step: Step) -> Step:
    if step.row.state == "failed" and step.tries:
        return Step(step.place, replace(step.row, state="pending", reason=None), 0)
    return step
