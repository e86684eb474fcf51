"""CSV as spreadsheets and ticket shops write it: three separators, several encodings."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path

from code_service.exchange.table import Cells, Limits, UnreadableFileError

_DELIMITERS = (";", "\t", ",", "|")
_HEAD = 64 * 1024
_BLOCK = 1 << 20
_MAX_CELL = 128 * 1024  # characters
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: Bytes that are letters and quotes in Windows-1252, and in Windows-1257 nothing that a text would have.
_WESTERN_ONLY = frozenset((0x83, 0x88, 0x8A, 0x8C, 0x8D, 0x8E, 0x8F, 0x98, 0x9A, 0x9C, 0x9D, 0x9E, 0x9F))
_BINARY = {
    b"\xd0\xcf\x11\xe0": "an old or password-protected Excel file; save it as .xlsx without a password",
    b"\x1f\x8b": "a gzip file",
    b"%PDF": "a PDF document",
}


class CsvTable:
    """See `table.Table`. Opening reads the file once, to find out its encoding."""

    def __init__(self, path: Path, limits: Limits, delimiter: str | None = None) -> None:
        encoding = _encoding(path)
        self._limits = limits
        self._file = path.open(encoding=encoding, errors="replace", newline="")
        found, self._skipped = _dialect(self._file)
        self._delimiter = delimiter or found

    def __enter__(self) -> CsvTable:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[tuple[int, Cells]]:
        csv.field_size_limit(_MAX_CELL)
        reader = csv.reader(self._file, delimiter=self._delimiter)
        number = 0
        try:
            for cells in reader:
                line = reader.line_num + self._skipped
                cleaned = [cell.replace("\x00", "").strip() for cell in cells]
                if not any(cleaned):
                    continue
                number += 1
                _check(line, number, len(cells), self._limits)
                yield line, cleaned
        except csv.Error as error:
            raise UnreadableFileError(f"line {reader.line_num + self._skipped}: {error}") from error


def _check(line: int, number: int, width: int, limits: Limits) -> None:
    if width > limits.columns:
        raise UnreadableFileError(f"line {line} has {width:,} columns, more than {limits.columns:,}")
    if number > limits.rows + 1:  # the header
        raise UnreadableFileError(f"line {line}: the file has more than {limits.rows:,} rows")


def _encoding(path: Path) -> str:
    """UTF-8 when the whole file is; else Windows-1257, unless it has letters of Windows-1252 alone."""
    with path.open("rb") as file:
        head = file.read(4096)
        if head.startswith(_UTF16):
            return "utf-16"
        _refuse_binary(head)
        file.seek(0)
        if _is_utf8(file):
            return "utf-8-sig"
        file.seek(0)
        return "cp1252" if _is_western(file) else "cp1257"


def _refuse_binary(head: bytes) -> None:
    for magic, kind in _BINARY.items():
        if head.startswith(magic):
            raise UnreadableFileError(f"this is {kind}")
    if b"\x00" in head:
        raise UnreadableFileError("this is not a CSV file or a workbook")


def _is_utf8(file: io.BufferedReader) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while block := file.read(_BLOCK):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _is_western(file: io.BufferedReader) -> bool:
    while block := file.read(_BLOCK):
        if not _WESTERN_ONLY.isdisjoint(block):
            return True
    return False


def _dialect(file: io.TextIOWrapper) -> tuple[str, int]:
    """The separator, and how many lines before the header are passed over; leaves the file there."""
    first = file.readline(_HEAD)
    declared = first.strip().lower()
    if declared.startswith("sep=") and len(declared) == len("sep=;"):
        return first.strip()[-1], 1
    while first.isspace():
        first = file.readline(_HEAD)
    file.seek(0)
    return max(_DELIMITERS, key=lambda delimiter: _width(first, delimiter)), 0


def _width(line: str, delimiter: str) -> int:
    """Columns of a line; quoted separators do not count."""
    try:
        return len(next(csv.reader([line], delimiter=delimiter), []))
    except csv.Error:
        return 0
