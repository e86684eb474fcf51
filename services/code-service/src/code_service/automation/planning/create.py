"""The plan of `fienta.create_codes`: one new code a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from code_service.automation.planning.model import (
    CellError,
    PlanError,
    PlannedRow,
    is_code,
    parse_limit,
    parse_percent,
    without_repeats,
)
from code_service.automation.planning.source import SourceRow, read_source
from code_service.fienta.port import Discount

PERCENT_COLUMNS = ("discount_percent", "percent", "discount")
ORDER_COLUMNS = ("order_limit", "limit_per_order", "usage_limit")
TICKET_COLUMNS = ("ticket_limit", "limit_per_ticket")
_TITLE_COLUMNS = ("title", "studio", "description")


@dataclass(frozen=True, slots=True)
class CreateOptions:
    """What rows have that do not say it themselves. A limit of 0 is none."""

    discount: Discount | None = None
    limit_per_order: int = 1
    limit_per_ticket: int = 1
    title: str = ""
    code_column: str | None = None
    skip_rows: int = 0
    limit: int | None = None


def plan_create(path: Path, options: CreateOptions) -> list[PlannedRow]:
    """Columns: code; and if there are such, discount_percent, order_limit, ticket_limit, title or studio.

    Raises PlanError for a file that cannot be used at all.
    """
    _, rows = read_source(path, column=options.code_column, skip=options.skip_rows)
    planned = without_repeats([_planned(row, options) for row in rows[: options.limit]])
    if not planned:
        raise PlanError("the file has no codes")
    return planned


def _planned(row: SourceRow, options: CreateOptions) -> PlannedRow:
    bare = PlannedRow(row.line, row.code)
    if not is_code(row.code):
        return bare.refused("a code has 1 to 64 letters, digits, dots, hyphens or underscores")
    try:
        percent, orders, tickets = (
            first(row, names) for names in (PERCENT_COLUMNS, ORDER_COLUMNS, TICKET_COLUMNS)
        )
        discount = parse_percent(percent) if percent else options.discount
        planned = PlannedRow(
            row.line,
            row.code,
            discount=discount,
            limit_per_order=parse_limit(orders) if orders else options.limit_per_order,
            limit_per_ticket=parse_limit(tickets) if tickets else options.limit_per_ticket,
            title=(first(row, _TITLE_COLUMNS) or options.title)[:200],
        )
    except CellError as error:
        return bare.refused(str(error))
    if discount is None:
        return planned.refused("neither the row nor the request says how much the code takes off")
    return planned


def first(row: SourceRow, names: Sequence[str]) -> str:
    """The first of these columns that says something in a row; ''."""
    return next((row.cells[name] for name in names if row.cells.get(name)), "")
