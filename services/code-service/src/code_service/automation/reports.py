"""Plans and results as files and as the result of a job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from code_service.automation.planning.diff import COLUMNS, Report
from code_service.automation.planning.model import Action, PlannedRow
from code_service.automation.repository import Step
from code_service.automation.steps import Outcome
from code_service.exchange.csv_safety import csv_lines
from code_service.fienta.port import DiscountCode

#: How many rows stand in a job's result itself; all are in the files.
SHOWN = 50
PLAN = "plan.csv"
PAIRS = "pairs.csv"
RESULTS = "results.csv"
DIFF = "diff.csv"
_HEADER = (
    "line",
    "code",
    "new_code",
    "state",
    "reason",
    "discount",
    "orders",
    "tickets",
    "title",
    "before",
    "after",
)


def describe(found: DiscountCode | None) -> str:
    """A code at the shop in a few words."""
    if found is None:
        return ""
    limits = f"{found.limit_per_order or 'any'} orders, {found.limit_per_ticket or 'any'} tickets"
    return f"{found.code}: {found.discount} off, {limits}"


def table(rows: Iterable[tuple[PlannedRow, Outcome | None]], *, rehearsed: bool = False) -> bytes:
    """Rows as CSV, in their order. Rehearsed rows that would be done stay `pending`."""
    return _csv([_HEADER, *(_cells(row, outcome, rehearsed) for row, outcome in rows)])


def _cells(row: PlannedRow, outcome: Outcome | None, rehearsed: bool) -> tuple[Any, ...]:
    state, reason = seen(row, outcome, rehearsed)
    return (
        row.line,
        row.code,
        row.new_code,
        state,
        reason,
        row.discount,
        row.limit_per_order,
        row.limit_per_ticket,
        row.title,
        describe(outcome.before if outcome else None),
        describe(outcome.after if outcome else None),
    )


def seen(row: PlannedRow, outcome: Outcome | None, rehearsed: bool) -> tuple[str, str | None]:
    """State and reason of a row after its outcome."""
    if outcome is None:
        return row.state, row.reason
    return ("pending" if rehearsed and outcome.state == "done" else outcome.state), outcome.reason


def pairs(rows: Iterable[PlannedRow]) -> bytes:
    """The renamings of a plan as `old,new`, which a later job takes as its pairs."""
    return _csv([("old", "new"), *((row.code, row.new_code) for row in rows if row.state == "pending")])


def diff(report: Report) -> bytes:
    found = report.differences
    return _csv([COLUMNS, *((one.change, one.code, one.column, one.before, one.after) for one in found)])


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    return ("\ufeff" + csv_lines(rows)).encode()


def summary(
    action: Action,
    steps: Sequence[Step],
    outcomes: Mapping[int, Outcome],
    *,
    dry_run: bool,
    compared: bool | None = None,
) -> dict[str, Any]:
    """The result of a job: numbers, the first rows that (would) change, the first that failed."""
    rows = [(step.row, outcomes.get(step.place)) for step in steps]
    states = Counter(seen(row, outcome, dry_run)[0] for row, outcome in rows)
    changes = [
        {"line": row.line, "code": row.code, "new_code": row.new_code, **row.wanted}
        for row, outcome in rows
        if seen(row, outcome, dry_run)[0] in (("pending",) if dry_run else ("done",))
    ]
    failures = [
        {"line": row.line, "code": row.code, "reason": seen(row, outcome, dry_run)[1]}
        for row, outcome in rows
        if seen(row, outcome, dry_run)[0] == "failed"
    ]
    numbers = {"rows": len(rows), "to_do": states["pending"] + states["doing"]}
    numbers |= {name: states[name] for name in ("done", "skipped", "failed")}
    told: dict[str, Any] = {"action": action, "dry_run": dry_run, **numbers}
    told |= {"changes": changes[:SHOWN], "failures": failures[:SHOWN]}
    return told if compared is None else told | {"compared_with_shop": compared}
