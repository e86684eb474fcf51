"""The program that reads a workbook: `python -m code_service.exchange.xlsx_reader <path> <limits> <sheet>`.

It writes lines of JSON: `{"lines": […], "rows": [[…], …]}` for some rows, at last `{"end": true}` or
`{"error": "…"}`. A memory limit that is hit ends it without a word.
"""

from __future__ import annotations

import re
import resource
import sys
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from code_service.exchange.table import Cells, Limits, UnreadableFileError

_ROWS = 5000
_BLOCK = 1 << 20
_PARTS = 10_000
_SMALL = 1 << 20
_OVERLAP = 32
#: The number beyond which a cell's value cannot tell neighbouring whole numbers apart.
_EXACT = 2**53
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml\Z", re.IGNORECASE)


def main(path: Path, limits: Limits, sheet: str, out: BinaryIO) -> int:
    """The exit status is 1 when the workbook as a whole is unusable."""
    _restrict(limits)
    try:
        check_archive(path, limits)
        out.writelines(_frames(_rows(path, sheet, limits)))
        out.write(b'{"end":true}\n')
    except UnreadableFileError as error:
        out.write(orjson.dumps({"error": str(error)}) + b"\n")
        return 1
    finally:
        out.flush()
    return 0


def _restrict(limits: Limits) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.seconds, limits.seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def check_archive(path: Path, limits: Limits) -> None:
    """Refuse what would not fit, before anything is unpacked, and cells beyond the last column allowed."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            _check_sizes(parts, limits)
            for part in parts:
                if _SHEET.match(part.filename):
                    _check_cells(archive, part, limits)
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise UnreadableFileError("the workbook is damaged or encrypted") from error


def _check_sizes(parts: list[zipfile.ZipInfo], limits: Limits) -> None:
    if not any(part.filename.lower() == "xl/workbook.xml" for part in parts):
        raise UnreadableFileError("this is a ZIP archive, not an Excel workbook (.xlsx)")
    unpacked = sum(part.file_size for part in parts)
    if len(parts) > _PARTS or unpacked > limits.unpacked:
        raise UnreadableFileError(
            f"the workbook would unpack to {unpacked:,} bytes, more than {limits.unpacked:,}"
        )
    for part in parts:
        if part.file_size > max(_SMALL, limits.ratio * part.compress_size):
            raise UnreadableFileError(f"{part.filename} is packed more than {limits.ratio} times smaller")


def _check_cells(archive: zipfile.ZipFile, part: zipfile.ZipInfo, limits: Limits) -> None:
    """The reader's table is as wide as its last cell: look for one that lies too far out."""
    far = _beyond(limits.columns)
    rest = b""
    with archive.open(part) as file:
        while block := file.read(_BLOCK):
            if found := far.search(rest + block):
                cell = found[0].partition(b'"')[2].rstrip(b'"').decode()
                raise UnreadableFileError(
                    f"{part.filename}, cell {cell}: more than {limits.columns:,} columns"
                )
            rest = block[-_OVERLAP:]


def _beyond(columns: int) -> re.Pattern[bytes]:
    """Finds a cell to the right of the last column allowed, of at most 702 (ZZ)."""
    first, second = divmod(columns - 1, 26)
    if first == 0:
        single = f"[{chr(66 + second)}-Z]|" if second < 25 else ""
        return re.compile(f'r="(?:{single}[A-Z]{{2,}})[0-9]+"'.encode())
    last, tail = chr(64 + first), chr(65 + second)
    later = f"[{chr(ord(last) + 1)}-Z][A-Z]|" if last < "Z" else ""
    same = f"{last}[{chr(ord(tail) + 1)}-Z]|" if tail < "Z" else ""
    return re.compile(f'r="(?:{later}{same}[A-Z]{{3,}})[0-9]+"'.encode())


def _rows(path: Path, name: str, limits: Limits) -> Iterator[tuple[int, Cells]]:
    try:
        with CalamineWorkbook.from_path(path) as workbook:
            sheet = _sheet(workbook, name)
            yield from _cells(sheet, limits)
    except CalamineError as error:
        raise UnreadableFileError(f"the workbook cannot be read: {error}") from error


def _sheet(workbook: CalamineWorkbook, name: str) -> CalamineSheet:
    shown = [
        meta.name
        for meta in workbook.sheets_metadata
        if meta.typ == SheetTypeEnum.WorkSheet and (name or meta.visible == SheetVisibleEnum.Visible)
    ]
    if not shown or (name and name not in shown):
        raise UnreadableFileError(f"the workbook has no sheet {name}".rstrip())
    return workbook.get_sheet_by_name(name or shown[0])


def _cells(sheet: CalamineSheet, limits: Limits) -> Iterator[tuple[int, Cells]]:
    if sheet.width > limits.columns:
        raise UnreadableFileError(f"sheet {sheet.name} has more than {limits.columns:,} columns")
    number = 0
    for line, values in enumerate(sheet.iter_rows(), start=1):
        cells = [value.strip() if type(value) is str else as_text(value) for value in values]
        if not any(cells):
            continue
        number += 1
        if number > limits.rows + 1:  # the header
            raise UnreadableFileError(
                f"sheet {sheet.name}, row {line}: the sheet has more than {limits.rows:,} rows"
            )
        yield line, cells


def as_text(value: Any) -> str:
    """A cell as it would stand in CSV: whole numbers without a point, dates in ISO 8601."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def _frames(rows: Iterator[tuple[int, Cells]]) -> Iterator[bytes]:
    while some := list(islice(rows, _ROWS)):
        frame = {"lines": [line for line, _ in some], "rows": [cells for _, cells in some]}
        yield orjson.dumps(frame) + b"\n"


if __name__ == "__main__":
    chosen = Limits(**orjson.loads(sys.argv[2]))
    sys.exit(main(Path(sys.argv[1]), chosen, sys.argv[3], sys.stdout.buffer))
