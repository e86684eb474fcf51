"""An Excel workbook of codes as an organiser keeps one, with the faults such files have."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import xlsxwriter

COLUMNS = ("Code", "Studio", "Order limit", "Ticket limit", "Expires")
#: Cell in the column of codes, and why the row becomes no code.
_FAULTS = (
    ("", "invalid_code"),
    ("SPRING 10", "invalid_code"),
    ("été-2030", "invalid_code"),
    ("atelier-0001", "duplicate"),
    ("Atelier-0002", "duplicate"),
)
_STUDIOS = ("Bourg-en-Bresse", "Crèvecœur", "Saint-Étienne")
EXPIRES = datetime(2036, 12, 31, 18, 0)  # noqa: DTZ001  # a cell of a workbook has no zone


@dataclass(frozen=True, slots=True)
class CodesFile:
    """The file, the codes it must make with their studios, and the lines that must be reported."""

    content: bytes
    codes: dict[str, str]
    rejections: dict[int, str]

    @property
    def rows(self) -> int:
        return len(self.codes) + len(self.rejections)


def make_workbook(count: int) -> CodesFile:
    """A workbook with `count` good rows; bad ones are spread among them."""
    codes = {f"ATELIER-{n:04}": _STUDIOS[n % len(_STUDIOS)] for n in range(1, count + 1)}
    rows: list[tuple[object, ...]] = [(code, studio, 1, "2", EXPIRES) for code, studio in codes.items()]
    rejections = {}
    for place, (cell, reason) in enumerate(_FAULTS):
        at = count // 2 + 7 * place
        rows.insert(at, (cell, "?", 1, 1, EXPIRES))
        rejections[at + 2] = reason
    rows.append(("ATELIER-9999", "?", "many", 1, EXPIRES))
    rejections[len(rows) + 1] = "invalid_limit"
    return CodesFile(_written(rows), codes, rejections)


def _written(rows: Iterable[tuple[object, ...]]) -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as workbook:
        sheet = workbook.add_worksheet("Codes")
        date = workbook.add_format({"num_format": "dd.mm.yyyy hh:mm"})
        sheet.write_row(0, 0, COLUMNS)
        for number, row in enumerate(rows, start=1):
            sheet.write_row(number, 0, row[:-1])
            sheet.write_datetime(number, len(row) - 1, EXPIRES, date)
    return buffer.getvalue()
