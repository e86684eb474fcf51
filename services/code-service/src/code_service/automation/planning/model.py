"""What a job is going to do, row by row, before anything is done."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from code_service.codes.schemas import CODE_PATTERN
from code_service.fienta.port import Discount, normalised

Action = Literal["create", "rename", "update"]
RowState = Literal["pending", "doing", "done", "skipped", "failed"]

#: One browser does a row in two or three seconds, and a job has five attempts of an hour.
MAX_ROWS = 5_000
_CODE = re.compile(CODE_PATTERN + r"\Z")
_MAX_LIMIT = 1_000_000


class PlanError(ValueError):
    """The options or the file as a whole make no plan; the message says why."""


class CellError(ValueError):
    """One cell cannot be used; its row is refused with this message."""


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One row of a plan. `line` is its line in the file.

    `state` is `pending` for a row to do, `skipped` for one that needs nothing and `failed` for one that
    cannot be done; `reason` says why. Of limits, None leaves as it is and 0 takes the limit away.
    """

    line: int
    code: str
    new_code: str | None = None
    discount: Discount | None = None
    limit_per_order: int | None = None
    limit_per_ticket: int | None = None
    title: str = ""
    state: RowState = "pending"
    reason: str | None = None

    def refused(self, reason: str) -> PlannedRow:
        """The same row as one that cannot be done."""
        return replace(self, state="failed", reason=reason)

    def skipped(self, reason: str) -> PlannedRow:
        """The same row as one that needs nothing."""
        return replace(self, state="skipped", reason=reason)

    @property
    def wanted(self) -> dict[str, Any]:
        """The values as JSON; `discount_of` and `row_of` read them again."""
        found = self.discount
        values = {
            "percent": str(found.percent) if found and found.percent is not None else None,
            "amount_minor": found.amount_minor if found else None,
            "limit_per_order": self.limit_per_order,
            "limit_per_ticket": self.limit_per_ticket,
            "title": self.title or None,
        }
        return {name: value for name, value in values.items() if value is not None}


def row_of(stored: Mapping[str, Any]) -> PlannedRow:
    """A row out of what was stored of it: `line`, `code`, `new_code`, `wanted`, `state`, `reason`."""
    wanted = stored["wanted"]
    return PlannedRow(
        line=stored["line"],
        code=stored["code"],
        new_code=stored["new_code"],
        discount=discount_of(wanted),
        limit_per_order=wanted.get("limit_per_order"),
        limit_per_ticket=wanted.get("limit_per_ticket"),
        title=wanted.get("title", ""),
        state=stored["state"],
        reason=stored["reason"],
    )


def discount_of(values: Mapping[str, Any]) -> Discount | None:
    """The discount in `percent` or `amount_minor`; 0 is one, None is not."""
    if values.get("percent") is not None:
        return Discount.of_percent(str(values["percent"]))
    if values.get("amount_minor") is not None:
        return Discount.of_amount(values["amount_minor"])
    return None


def parse_percent(text: str) -> Discount:
    """`40`, `40 %`, `12,5`; CellError for what is not from 0 to 100."""
    try:
        return Discount.of_percent(Decimal(text.strip().removesuffix("%").strip().replace(",", ".")))
    except (InvalidOperation, ValueError, TypeError) as error:
        raise CellError(f"{text!r} is not a percentage from 0 to 100") from error


def parse_limit(text: str) -> int:
    """A whole number from 0, which means no limit; CellError for another."""
    number = text.strip().removesuffix(".0")
    if not (number.isascii() and number.isdigit() and len(number) < 8 and int(number) <= _MAX_LIMIT):
        raise CellError(f"{text!r} is not a limit: a whole number, 0 for none")
    return int(number)


def is_code(text: str) -> bool:
    """Whether a text can be a code."""
    return _CODE.match(text) is not None


def without_repeats(rows: Sequence[PlannedRow]) -> list[PlannedRow]:
    """Rows whose code stands on an earlier line are refused."""
    first: dict[str, int] = {}
    out = []
    for row in rows:
        line = first.setdefault(normalised(row.code), row.line)
        repeats = row.state == "pending" and line != row.line
        out.append(row.refused(f"line {line} has this code already") if repeats else row)
    return out
