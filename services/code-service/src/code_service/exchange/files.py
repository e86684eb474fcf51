"""Tables out of files, whatever they were saved as: CSV in its dialects, or an Excel workbook.

    with open_table(path) as table:          # rows as they stand, the header among them
        for line, cells in table: ...

    for line, record in read_table(path, needs=("code",)): ...      # by column name

All values are text. Only the part at hand is in memory; a workbook is read by a process of its own. Both
functions block: from the event loop, run them in a thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from code_service.exchange.csv_table import CsvTable
from code_service.exchange.table import (
    LIMITS,
    Limits,
    Table,
    UnreadableFileError,
    as_record,
    normal_name,
    split_header,
)
from code_service.exchange.xlsx_table import WorkbookTable, is_archive


def open_table(
    path: Path, *, sheet: str | None = None, limits: Limits = LIMITS, delimiter: str | None = None
) -> Table:
    """The table of a file; of a workbook the named sheet, or the first that is not hidden.

    `delimiter` is the separator of a CSV; None finds it out.

    Raises UnreadableFileError, here or while rows are read.
    """
    try:
        return WorkbookTable(path, sheet, limits) if is_archive(path) else CsvTable(path, limits, delimiter)
    except FileNotFoundError as error:
        raise UnreadableFileError("the file is no longer there") from error


def read_table(
    path: Path, *, needs: Collection[str] = (), sheet: str | None = None, limits: Limits = LIMITS
) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows with their line, by column name in lower case with underscores: `Order Limit` is `order_limit`.

    Raises UnreadableFileError, also when a column of `needs` is missing.
    """
    with open_table(path, sheet=sheet, limits=limits) as table:
        names, rows = split_header(table, needs)
        normal = [normal_name(name) for name in names]
        for line, cells in rows:
            yield line, as_record(normal, cells)
