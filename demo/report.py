"""What the demo says: plain lines, a progress line, and a table of figures that must be right."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TextIO

_QUIET_SECONDS = 2.0
_BAR = 24


@dataclass(frozen=True, slots=True)
class Check:
    """One figure: what must be, and what the product says."""

    name: str
    expected: object
    measured: object

    @property
    def is_right(self) -> bool:
        return self.expected == self.measured


@dataclass
class Report:
    """Writes to `out`. On a terminal progress is one line, written over; elsewhere a line now and then."""

    out: TextIO
    clock: Callable[[], float] = time.monotonic
    checks: list[Check] = field(default_factory=list)
    _began: float = 0.0
    _steps: int = 0
    _last_progress: float = 0.0
    _has_progress: bool = False

    def __post_init__(self) -> None:
        self._began = self.clock()

    @property
    def seconds(self) -> float:
        return self.clock() - self._began

    @property
    def failures(self) -> list[Check]:
        return [check for check in self.checks if not check.is_right]

    def step(self, title: str) -> None:
        """Begin a numbered part of the demo."""
        self._steps += 1
        self.say()
        self._write(f"{self._steps:2}. {title}  [{self.seconds:.1f} s]\n")

    def say(self, line: str = "") -> None:
        self._end_progress()
        self._write(f"    {line}\n" if line else "\n")

    def progress(self, label: str, done: int, total: int, note: str = "") -> None:
        """How far something is. Cheap to call often."""
        share = done / total if total else 0.0
        filled = round(_BAR * share)
        bar = "#" * filled + "." * (_BAR - filled)
        line = f"    {label} [{bar}] {share:4.0%}  {done:,} of {total:,} {note}".rstrip()
        if self.out.isatty():
            self._write(f"\r{line}\x1b[K")
            self._has_progress = True
        elif self.clock() - self._last_progress >= _QUIET_SECONDS:
            self._last_progress = self.clock()
            self._write(f"{line}\n")

    def check(self, name: str, expected: object, measured: object) -> None:
        """Compare a figure; a wrong one is said at once and makes the demo fail at its end."""
        check = Check(name, expected, measured)
        self.checks.append(check)
        if not check.is_right:
            self.say(f"WRONG  {name}: {_shown(measured)}, must be {_shown(expected)}")

    def table(self, title: str, rows: Sequence[tuple[str, object, object]]) -> None:
        """Check several figures and print them side by side."""
        checks = [Check(*row) for row in rows]
        self.checks += checks
        width = max(len(check.name) for check in checks)
        self.say()
        self.say(f"{title:<{width}} {'done':>12} {'measured':>12}")
        self.say("-" * (width + 33))
        for check in checks:
            verdict = "ok" if check.is_right else "WRONG"
            self.say(
                f"{check.name:<{width}} {_shown(check.expected):>12} {_shown(check.measured):>12}  {verdict}"
            )

    def summary(self) -> int:
        """The last lines; the exit status."""
        wrong = self.failures
        self.say()
        for check in wrong:
            self.say(f"WRONG  {check.name}: {_shown(check.measured)}, must be {_shown(check.expected)}")
        right = len(self.checks) - len(wrong)
        self._write(f"{right} of {len(self.checks)} figures are right. {self.seconds:.1f} s in all.\n")
        return 1 if wrong else 0

    def _end_progress(self) -> None:
        if self._has_progress:
            self._write("\n")
            self._has_progress = False

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()


def _shown(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        return str(value)
    return f"{value:,}"
