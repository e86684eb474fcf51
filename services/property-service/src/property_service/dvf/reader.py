"""The program that reads files of sales, in a process of its own: requests are served meanwhile.

`python -m property_service.dvf.reader <path>` takes a plain, gzip or zip file and writes frames to standard
output: one letter, the payload's length as four bytes (big-endian), the payload. A zip has several members,
each from an H to an M frame. Memory stays flat whatever the size of the file.

    H  JSON: name, layout of a member              R  COPY CSV for the staging table
    C  JSON: counts so far; ends a chunk           J  JSON: rejections as [line, code, reason, raw]
    M  JSON: communes of the member; its end       E  JSON: code, message; the last frame
    D  JSON: final counts; the last frame
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from property_service.dvf.layouts import UnreadableFileError, find_layout
from property_service.dvf.rows import Converter
from property_service.dvf.values import CellError

HEADER = struct.Struct(">cI")
CHUNK = 50_000
_PART = 8192
_BUFFER = 1 << 18
_LONGEST_LINE = 65_536
_RAW_KEPT = 1000
#: So many rejected rows are told one by one; more would say nothing new and fill the memory.
MAX_REJECTIONS = 10_000


class Emitter:
    """Collects COPY text and writes frames and counts."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._rows: list[str] = []
        self._rejections: list[tuple[int, str, str, str]] = []
        self._told = 0
        self.counts = {"rows": 0, "rejected": 0, "lines": 0}

    def frame(self, kind: bytes, payload: object) -> None:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._out.write(HEADER.pack(kind, len(data)) + data)

    def row(self, text: str) -> None:
        self._rows.append(text)
        if len(self._rows) >= _PART:
            self._flush()

    def reject(self, line: int, error: CellError, raw: str) -> None:
        self.counts["rejected"] += 1
        if self._told < MAX_REJECTIONS:
            self._told += 1
            shown = raw.replace("\x00", "\ufffd")[:_RAW_KEPT]
            self._rejections.append((line, error.code, str(error)[:300].replace("\x00", "\ufffd"), shown))

    def _flush(self) -> None:
        if self._rows:
            self.counts["rows"] += len(self._rows)
            self.frame(b"R", "".join(self._rows).encode())
            self._rows.clear()

    def end_chunk(self) -> None:
        self._flush()
        if self._rejections:
            self.frame(b"J", self._rejections)
            self._rejections.clear()
        self.frame(b"C", self.counts)
        self._out.flush()


@contextmanager
def members(path: Path) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """Names and contents of the files in `path`, one after the other."""
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        if start[:2] == b"\x1f\x8b":
            with gzip.open(file) as stream:
                yield iter([(path.name, io.BufferedReader(stream, _BUFFER))])
        elif start == b"PK\x03\x04":
            with zipfile.ZipFile(file) as archive:
                yield _unzip(archive)
        else:
            yield iter([(path.name, file)])


def _unzip(archive: zipfile.ZipFile) -> Iterator[tuple[str, IO[bytes]]]:
    for info in sorted(archive.infolist(), key=lambda info: info.filename):
        name = info.filename.rsplit("/", 1)[-1]
        if info.is_dir() or name.startswith(".") or info.filename.startswith("__MACOSX/"):
            continue
        if info.flag_bits & 1:
            raise UnreadableFileError("encrypted", f"{name} is encrypted")
        with archive.open(info) as stream:
            yield name, io.BufferedReader(stream, _BUFFER)  # type: ignore[type-var]  # it has what is needed


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """Lines without their ends. UTF-8, or Windows-1252 for lines that are not."""
    while raw := stream.readline(_LONGEST_LINE):
        if len(raw) == _LONGEST_LINE and not raw.endswith(b"\n"):
            raise UnreadableFileError("not_dvf", "a line is too long for a file of sales")
        try:
            yield raw.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            yield raw.decode("cp1252", "replace").rstrip("\r\n")


def read_member(name: str, stream: IO[bytes], emit: Emitter) -> None:
    """Every row of one file to the emitter, as staging text or as a rejection."""
    lines = _lines(stream)
    try:
        layout = find_layout(next(lines, ""))
    except UnreadableFileError as error:
        raise UnreadableFileError(error.code, f"{name}: {error}") from None
    converter = Converter(layout)
    emit.frame(b"H", {"name": name, "layout": layout.name})
    number = 1
    for number, line in enumerate(lines, start=2):
        try:
            text = converter.copy_line(line)
        except CellError as error:
            emit.reject(number, error, line)
        else:
            if text is not None:
                emit.row(text)
        if number % CHUNK == 0:
            emit.counts["lines"] += CHUNK
            emit.end_chunk()
    emit.counts["lines"] += number % CHUNK
    emit.end_chunk()
    emit.frame(b"M", converter.communes.as_json())


def read(path: Path, emit: Emitter) -> None:
    """All members of a file. Raises UnreadableFileError."""
    try:
        count = 0
        with members(path) as found:
            for count, (name, stream) in enumerate(found, start=1):  # noqa: B007  # told after the loop
                read_member(name, stream, emit)
    except FileNotFoundError:
        raise UnreadableFileError("file_gone", "the file is no longer there") from None
    except (EOFError, OSError, zlib.error, zipfile.BadZipFile, NotImplementedError) as error:
        raise UnreadableFileError("damaged_archive", f"the archive is damaged: {error}") from error
    if not count:
        raise UnreadableFileError("empty_file", "the archive holds no files")


def main(path: str, out: BinaryIO) -> int:
    """Read one file and write its frames; the exit status is 1 when the file as a whole is unusable."""
    emit = Emitter(out)
    try:
        read(Path(path), emit)
        emit.frame(b"D", emit.counts)
    except UnreadableFileError as error:
        emit.frame(b"E", {"code": error.code, "message": str(error)})
        return 1
    finally:
        out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.stdout.buffer))
