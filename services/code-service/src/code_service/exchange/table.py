"""What a table is, whatever file it came from: rows of text with their lines, under limits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

Cells = list[str]


class UnreadableFileError(ValueError):
    """The file as a whole cannot be used; the message says why, and where."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a table may have at most; more is refused by name and line."""

    rows: int = 1_000_000
    columns: int = 256
    #: A workbook is a ZIP archive: its size unpacked in bytes, and how many times smaller it may be packed.
    unpacked: int = 512 * 1024 * 1024
    ratio: int = 200
    #: What the process that reads it may take, in bytes and in seconds of its own work.
    memory: int = 2 * 1024**3
    seconds: int = 60


LIMITS = Limits()


class Table(Protocol):
    """Rows with their line (the row number of a sheet), from 1; rows without any text are left out.

    Iterating raises UnreadableFileError. `close` may be called from another thread, and ends a reading there.
    """

    def __iter__(self) -> Iterator[tuple[int, Cells]]: ...

    def __enter__(self) -> Table: ...

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None: ...


def split_header(table: Table, needs: Collection[str] = ()) -> tuple[Cells, Iterator[tuple[int, Cells]]]:
    """The names in the first row, and the other rows.

    Raises UnreadableFileError for an empty file, and when a column of `needs` is missing (see `normal_name`).
    """
    rows = iter(table)
    line, names = next(rows, (0, []))
    if not names:
        raise UnreadableFileError("the file is empty")
    present = {normal_name(name) for name in names}
    if missing := [name for name in needs if name not in present]:
        raise UnreadableFileError(f"line {line}: the file has no column named {', '.join(missing)}")
    return names, rows


def as_record(names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """A row by name; cells beyond the header are dropped, missing ones are ''."""
    padded = [*cells, *[""] * (len(names) - len(cells))]
    return {name: cell for name, cell in zip(names, padded, strict=False) if name}


def normal_name(header: str) -> str:
    """A column's name for comparing: `Order Limit` is `order_limit`."""
    return "_".join(header.lower().split())
