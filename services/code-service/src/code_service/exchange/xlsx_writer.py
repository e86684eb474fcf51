"""The program that writes a workbook: `python -m code_service.exchange.xlsx_writer <path>`.

It reads rows as lines of JSON arrays, the header first. All cells are text: nothing that a cell begins with
makes it a formula or a link.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain, count, islice
from pathlib import Path
from typing import BinaryIO

import orjson
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from code_service.exchange.csv_safety import FORMULA_STARTS

#: A sheet ends at row 1,048,576; more rows go to another.
SHEET_ROWS = 1_000_000
_OPTIONS = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}


def write(path: Path, lines: BinaryIO, sheet_rows: int = SHEET_ROWS) -> None:
    """Write rows of text, each sheet with the header on top."""
    rows: Iterator[list[str]] = map(orjson.loads, lines)
    header = next(rows)
    with xlsxwriter.Workbook(path, _OPTIONS) as book:
        # Its apostrophe makes a text stay one when somebody edits the cell.
        quoted = book.add_format({"quote_prefix": True})
        for number in count(1):
            first = next(rows, None)
            if first is None and number > 1:
                return
            sheet = book.add_worksheet("Codes" if number == 1 else f"Codes {number}")
            sheet.freeze_panes(1, 0)
            _fill(sheet, chain([header], [first] if first else [], islice(rows, sheet_rows - 1)), quoted)


def _fill(sheet: Worksheet, rows: Iterator[list[str]], quoted: Format) -> None:
    for place, cells in enumerate(rows):
        for column, text in enumerate(cells):
            if text:
                sheet.write_string(place, column, text, quoted if text.startswith(FORMULA_STARTS) else None)


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.stdin.buffer)
