"""Rows with their physical line numbers, in step again after damage.

The csv module reads on over line ends inside quotes. A quote that is never closed would swallow the rows
after it; here only the line with the stray quote is lost.
"""

import csv
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

#: Longest cell in characters; a contact has none near it, an unclosed quote soon does.
CELL_LIMIT = 32_768
_KEPT_BLOCKS = 3


class Record(NamedTuple):
    """A row, or (with `fault`) a line that could not be read as one. Lines count from 1."""

    first_line: int
    last_line: int
    cells: list[str]
    fault: str | None = None


class LineFeed:
    """Physical lines of a file, with the latest ones kept so that reading can go back a little."""

    def __init__(self, blocks: Iterator[list[str]]) -> None:
        self._blocks = blocks
        self._kept: deque[tuple[int, list[str]]] = deque(maxlen=_KEPT_BLOCKS)
        self._next = 1

    def lines_from(self, line: int) -> Iterator[str]:
        """Lines from number `line` on, which must be among the kept or the next ones."""
        for start, block in list(self._kept):
            if start + len(block) > line:
                yield from block[max(0, line - start) :]
        for block in self._blocks:
            start = self._next
            self._kept.append((start, block))
            self._next += len(block)
            yield from block[max(0, line - start) :] if line > start else block

    def raw(self, first: int, last: int) -> str:
        """The text of some kept lines as it stood in the file."""
        return "".join(
            "".join(block[max(0, first - start) : last - start + 1])
            for start, block in self._kept
            if start <= last and start + len(block) > first
        )


def records(
    feed: LineFeed, delimiter: str, first_line: int, is_row: Callable[[list[str]], bool]
) -> Iterator[Record]:
    """All rows from `first_line` on; `is_row` says whether cells, taken alone, are a complete row."""
    csv.field_size_limit(CELL_LIMIT)
    start = first_line
    while True:
        reader = csv.reader(feed.lines_from(start), delimiter=delimiter)
        before = start - 1
        try:
            for cells in reader:
                end = before + reader.line_num
                if end > start and _swallowed(feed, delimiter, start, end, is_row):
                    yield Record(start, start, [], "unclosed_quote")
                    start += 1
                    break
                yield Record(start, end, cells)
                start = end + 1
            else:
                return
        except csv.Error:
            yield Record(start, start, [], "unclosed_quote")
            start += 1


def _swallowed(
    feed: LineFeed, delimiter: str, first: int, last: int, is_row: Callable[[list[str]], bool]
) -> bool:
    """Whether a record of several lines has eaten rows: a later line of it is a complete row by itself."""
    raw = feed.raw(first, last)
    if raw.count('"') % 2:
        return True
    lines = raw.splitlines()[1:]
    return any(is_row(cells) for line in lines for cells in csv.reader([line], delimiter=delimiter))
