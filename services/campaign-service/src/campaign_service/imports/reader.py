"""The program that reads an uploaded file, in a process of its own: requests are served meanwhile.

`python -m campaign_service.imports.reader <path> <mapping JSON> <rules JSON>` writes frames to standard
output: one letter, the payload's length as four bytes (big-endian), the payload. It imports nothing beyond
the standard library and the parsing modules beside it, which keeps its start short.

    H  JSON: encoding, delimiter, columns          R  COPY CSV for the staging table
    C  JSON: counts so far; ends a chunk           J  JSON: rejections as [line, code, reason, raw]
    D  JSON: final counts; the last frame          E  JSON: code, message; the last frame
"""

import csv
import itertools
import json
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from campaign_service.contacts.address import parse_address
from campaign_service.contacts.definitions.values import ANYTHING, Rules
from campaign_service.imports.dialect import find_dialect
from campaign_service.imports.encoding import NotTextError, binary_kind, detect, line_blocks
from campaign_service.imports.headers import Columns, MappingError, map_columns, normalised
from campaign_service.imports.records import LineFeed, Record, records
from campaign_service.imports.rows import RowConverter, RowRejectedError, as_written

HEADER = struct.Struct(">cI")
#: The first chunk is small so that the database starts early; later ones make fewer, larger merges.
FIRST_CHUNK = 16_384
CHUNK = 50_000
_PART = 4096
_SNIFFED_LINES = 1000
_PHONE_SAMPLE = 50
_FAULTS = {"unclosed_quote": "a quote is opened and not closed"}


class UnreadableFileError(Exception):
    """The file as a whole cannot be imported; `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Layout:
    """What was found out about a file: encoding, delimiter, columns, where the rows begin."""

    def __init__(self, path: Path, mapping: Mapping[str, object], rules: Rules = ANYTHING) -> None:
        try:
            with path.open("rb") as file:
                head = file.read(4096)
        except FileNotFoundError as error:
            raise UnreadableFileError("file_gone", "the uploaded file is no longer there") from error
        if not head:
            raise UnreadableFileError("empty_file", "the file is empty")
        if kind := binary_kind(head):
            raise UnreadableFileError("not_csv", f"this is {kind}, not a CSV file")
        try:
            self.source = detect(path)
            dialect = find_dialect(list(itertools.islice(self._open().lines_from(1), _SNIFFED_LINES)))
        except NotTextError as error:
            raise UnreadableFileError("not_csv", f"{error}; this is not a CSV file") from error
        if dialect is None:
            raise UnreadableFileError("empty_file", "the file holds no rows")
        self.delimiter = dialect.delimiter
        self.columns = self._columns(dialect.header, mapping, rules, has_header=dialect.has_header)
        self.first_row_line = dialect.first_row_line
        if "email" not in self.columns.fields:
            self._check_addresses(set(mapping))
        self.feed = self._open()

    def _open(self) -> LineFeed:
        return LineFeed(line_blocks(self.source))

    @staticmethod
    def _columns(
        header: tuple[str, ...], mapping: Mapping[str, object], rules: Rules, *, has_header: bool
    ) -> Columns:
        # One column of addresses is the one table that explains itself.
        if not has_header and not mapping and len(header) == 1:
            mapping = {"1": "email"}
        try:
            return map_columns(header, mapping, rules, has_header=has_header)
        except MappingError as error:
            raise UnreadableFileError("mapping", str(error)) from error

    def _check_addresses(self, mapped: set[str]) -> None:
        """A file of phones has no addresses: else a column of them was not recognised, and would be lost."""
        lines = list(itertools.islice(self._open().lines_from(self.first_row_line), _PHONE_SAMPLE))
        known = {normalised(name) for name in mapped}
        own = [
            at
            for at, _ in self.columns.custom
            if normalised(self.columns.header[at]) not in known and str(at + 1) not in mapped
        ]
        for cells in csv.reader(lines, delimiter=self.delimiter):
            for at in own:
                if at < len(cells) and "@" in cells[at] and parse_address(cells[at]).fault is None:
                    name = self.columns.header[at]
                    said = f"column {name!r} seems to hold e-mail addresses; name it in the mapping"
                    raise UnreadableFileError("mapping", said)

    def as_json(self) -> dict[str, Any]:
        return {
            "encoding": self.source.encoding,
            "delimiter": self.delimiter,
            "columns": self.columns.as_json(),
            "lines": self.source.lines,
        }


class Emitter:
    """Collects COPY text and writes frames and counts."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._rows: list[str] = []
        self._rejections: list[tuple[int, str, str, str]] = []
        self._limit = FIRST_CHUNK
        self._in_chunk = 0
        self.counts = {"rows": 0, "rejected": 0, "lines": 0}

    def frame(self, kind: bytes, payload: bytes) -> None:
        self._out.write(HEADER.pack(kind, len(payload)) + payload)

    def frame_json(self, kind: bytes, payload: object) -> None:
        self.frame(kind, json.dumps(payload).encode())

    def row(self, text: str) -> None:
        self._rows.append(text)
        self.counts["rows"] += 1

    def reject(self, record: Record, code: str, reason: str, raw: str) -> None:
        self._rejections.append((record.first_line, code, reason, as_written(raw)))
        self.counts["rejected"] += 1

    def step(self, line: int) -> None:
        """Called after every record: passes on what has gathered."""
        self._in_chunk += 1
        if self._in_chunk % _PART == 0:
            self._flush_part()
        if self._in_chunk >= self._limit:
            self.end_chunk(line)
            self._limit = CHUNK

    def _flush_part(self) -> None:
        if self._rows:
            self.frame(b"R", "".join(self._rows).encode("utf-8", "replace"))
            self._rows.clear()
        if self._rejections:
            self.frame_json(b"J", self._rejections)
            self._rejections.clear()

    def end_chunk(self, line: int) -> None:
        self._flush_part()
        self.counts["lines"] = line
        self.frame_json(b"C", self.counts)
        self._out.flush()
        self._in_chunk = 0


def read_rows(layout: Layout, emit: Emitter, rules: Rules = ANYTHING) -> None:
    """Every row of the file to the emitter, as staging text or as a rejection."""
    converter = RowConverter(layout.columns, rules)
    line = 0
    for record in records(layout.feed, layout.delimiter, layout.first_row_line, converter.is_row):
        line = record.last_line
        if record.fault:
            raw = layout.feed.raw(record.first_line, record.last_line)
            emit.reject(record, record.fault, _FAULTS[record.fault], raw)
        elif any(record.cells):
            try:
                emit.row(converter.copy_line(record.first_line, record.cells))
            except RowRejectedError as rejected:
                _reject_row(layout, emit, record, rejected)
        emit.step(line)
    emit.end_chunk(line)


def _reject_row(layout: Layout, emit: Emitter, record: Record, rejected: RowRejectedError) -> None:
    if any(cell.strip() for cell in record.cells):
        raw = layout.feed.raw(record.first_line, record.last_line)
        emit.reject(record, rejected.code, rejected.reason, raw)


def main(path: str, mapping: str, out: BinaryIO, rules: Rules = ANYTHING) -> int:
    """Read one file and write its frames; the exit status is 1 when the file as a whole is unusable."""
    emit = Emitter(out)
    try:
        layout = Layout(Path(path), json.loads(mapping), rules)
        emit.frame_json(b"H", layout.as_json())
        read_rows(layout, emit, rules)
        emit.frame_json(b"D", emit.counts)
    except UnreadableFileError as error:
        emit.frame_json(b"E", {"code": error.code, "message": str(error)})
        return 1
    finally:
        out.flush()
    return 0


if __name__ == "__main__":
    given = Rules.of_json(json.loads(sys.argv[3]))
    sys.exit(main(sys.argv[1], sys.argv[2], sys.stdout.buffer, given))
