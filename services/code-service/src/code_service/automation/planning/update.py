"""The plan of `fienta.update_discount`: other values for codes that exist."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from code_service.automation.planning.create import (
    ORDER_COLUMNS,
    PERCENT_COLUMNS,
    TICKET_COLUMNS,
    first,
)
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


@dataclass(frozen=True, slots=True)
class UpdateOptions:
    """What to change; None leaves as it is, unless the row says it. A limit of 0 takes the limit away."""

    discount: Discount | None = None
    limit_per_order: int | None = None
    limit_per_ticket: int | None = None
    only_limits: bool = False
    code_column: str | None = None
    skip_rows: int = 0
    limit: int | None = None


def plan_update(path: Path, options: UpdateOptions) -> list[PlannedRow]:
    """Raises PlanError for a file that cannot be used at all."""
    _, rows = read_source(path, column=options.code_column, skip=options.skip_rows)
    planned = without_repeats([_planned(row, options) for row in rows[: options.limit]])
    if not planned:
        raise PlanError("the file has no codes")
    return planned


def _planned(row: SourceRow, options: UpdateOptions) -> PlannedRow:
    bare = PlannedRow(row.line, row.code)
    if not is_code(row.code):
        return bare.refused("this is not a code")
    try:
        percent, orders, tickets = (
            first(row, names) for names in (PERCENT_COLUMNS, ORDER_COLUMNS, TICKET_COLUMNS)
        )
        # What the request says holds for all rows; the file's own columns are what the shop had.
        planned = PlannedRow(
            row.line,
            row.code,
            discount=_discount(percent, options),
            limit_per_order=_limit(orders, options.limit_per_order, options),
            limit_per_ticket=_limit(tickets, options.limit_per_ticket, options),
        )
    except CellError as error:
        return bare.refused(str(error))
    return planned if planned.wanted else planned.skipped("nothing is to change")


def _discount(cell: str, options: UpdateOptions) -> Discount | None:
    if options.only_limits:
        return None
    if options.discount is not None:
        return options.discount
    return parse_percent(cell) if cell and _from_file(options) else None


def _limit(cell: str, given: int | None, options: UpdateOptions) -> int | None:
    if given is not None:
        return given
    return parse_limit(cell) if cell and _from_file(options) else None


def _from_file(options: UpdateOptions) -> bool:
    """Whether the file says what to change: only when the request itself says nothing."""
    return options.discount is None and options.limit_per_order is None and options.limit_per_ticket is None
