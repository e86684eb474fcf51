"""Which character separates the columns, and where the header is."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from campaign_service.contacts.address import parse_address
from campaign_service.imports.headers import recognised

DELIMITERS = (";", ",", "\t", "|")
_SAMPLE_LINES = 200
_NUMBER = re.compile(r"\+[\d ()./-]{7,20}")


@dataclass(frozen=True)
class Dialect:
    """`header` is the first row, also when it is data; rows begin on line `first_row_line` (from 1)."""

    delimiter: str
    header: tuple[str, ...]
    has_header: bool
    first_row_line: int


def find_dialect(lines: Sequence[str]) -> Dialect | None:
    """Read the first lines of a file; None when they hold nothing."""
    start, declared = _first_line(lines)
    if start is None:
        return None
    sample = list(lines[start : start + _SAMPLE_LINES])
    delimiter = declared or max(DELIMITERS, key=lambda d: _score(sample, d))
    first, height = _first_row(sample, delimiter)
    has_header = not any(_is_address(cell) or _NUMBER.fullmatch(cell.strip()) for cell in first)
    header = tuple(" ".join(cell.split()) for cell in first)
    while has_header and len(header) > 1 and not header[-1]:
        header = header[:-1]
    return Dialect(delimiter, header, has_header, start + 1 + (height if has_header else 0))


def _first_row(sample: list[str], delimiter: str) -> tuple[list[str], int]:
    """The first row's cells and how many physical lines it takes."""
    reader = csv.reader(sample, delimiter=delimiter)
    try:
        return next(reader, []), reader.line_num
    except csv.Error:
        return sample[0].split(delimiter), 1


def _first_line(lines: Sequence[str]) -> tuple[int | None, str | None]:
    """Index of the first line with content, and the delimiter a spreadsheet's `sep=;` line declares."""
    declared = None
    for i, line in enumerate(lines):
        text = line.strip("\ufeff \r\n")
        if text.lower().startswith("sep=") and len(text) == 5 and i == 0:
            declared = text[4]
        elif text.strip(';,\t| "'):
            return i, declared
    return None, declared


def _is_address(cell: str) -> bool:
    return "@" in cell and parse_address(cell).fault is None


def _score(sample: list[str], delimiter: str) -> tuple[int, float, int]:
    """Recognised headers first, then how evenly the rows split, then how many columns there are."""
    try:
        rows = [row for row in csv.reader(sample, delimiter=delimiter) if row]
    except csv.Error:
        return (0, 0.0, 0)
    if not rows:
        return (0, 0.0, 0)
    widths = Counter(len(row) for row in rows)
    width, times = widths.most_common(1)[0]
    known = sum(1 for cell in rows[0] if recognised(cell))
    known += sum(1 for cell in rows[0] if _is_address(cell))
    return (known, times / len(rows) if width > 1 else 0.0, width)
