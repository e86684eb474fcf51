"""Codes out of a table: which column, which rows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from code_service.automation.planning.model import MAX_ROWS, PlanError
from code_service.exchange.files import open_table
from code_service.exchange.table import UnreadableFileError, as_record, normal_name

#: Headers that mean the code, in the order in which they are looked for.
CODE_COLUMNS = ("code", "discount_code", "kood", "sooduskood")
_EVERY = 1000
CREATED_COLUMNS = ("created_at", "created", "loodud")


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row of a file: its line, its code, and all cells by column name (see `normal_name`)."""

    line: int
    code: str
    cells: dict[str, str]


def column_name(names: Sequence[str], wanted: str | None, usual: Sequence[str]) -> str:
    """The column meant by a name or a number from 1; without either the first of the usual names there is.

    Raises PlanError when the file has none.
    """
    normal = [normal_name(name) for name in names]
    if wanted is not None and wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= len(normal):
        return normal[int(wanted) - 1]
    candidates = [normal_name(wanted)] if wanted is not None else usual
    for name in candidates:
        if name in normal:
            return name
    raise PlanError(f"the file has no column named {' or '.join(candidates)}; it has {', '.join(names)}")


def read_source(
    path: Path,
    *,
    column: str | None = None,
    skip: int = 0,
    most: int = MAX_ROWS,
    check: Callable[[], None] = lambda: None,
) -> tuple[list[str], list[SourceRow]]:
    """The column names and the rows of a file with a header; `skip` rows after it are left out.

    Raises PlanError for a file that cannot be used or has more than `most` rows, and now and then what
    `check` raises.
    """
    with _readable(), open_table(path) as table:
        rows = iter(table)
        names = _header(rows)
        key = column_name(names, column, CODE_COLUMNS)
        normal = [normal_name(name) for name in names]
        found = []
        for number, (line, cells) in enumerate(rows):
            if number >= skip:
                record = {name: cell.strip() for name, cell in as_record(normal, cells).items()}
                found.append(SourceRow(line, record.get(key, ""), record))
            if number % _EVERY == 0:
                check()
            check_size(len(found), most)
    return normal, found


def read_plain(path: Path, columns: int, delimiter: str | None = None) -> list[tuple[int, list[str]]]:
    """All rows of a file that may have no header, with at least so many cells each."""
    with _readable(), open_table(path, delimiter=delimiter) as table:
        found = []
        for line, cells in table:
            found.append((line, [cell.strip() for cell in [*cells, *[""] * (columns - len(cells))]]))
            check_size(len(found))
    return found


def check_size(rows: int, most: int = MAX_ROWS) -> None:
    """Raise PlanError for more rows than one job may have."""
    if rows > most:
        raise PlanError(f"the file has more than {most:,} rows; split it")


def _header(rows: Iterator[tuple[int, list[str]]]) -> list[str]:
    _, names = next(rows, (0, []))
    if not names:
        raise PlanError("the file is empty")
    return names


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except UnreadableFileError as error:
        raise PlanError(str(error)) from error
