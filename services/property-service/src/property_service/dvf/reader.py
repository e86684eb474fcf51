"""The program that reads files of sales, in a process of its own: requests are served meanwhile.

`python -m property_service.dvf.reader <path> [stretch]` takes a plain, gzip or zip file and writes frames to
standard output: one letter, the payload's length as four bytes (big-endian), the payload. A zip has several
members, each from an H to an M frame. Memory stays flat whatever the size of the file.

Files come in the order of departments, and no mutation lies in two: from time to time a B frame says that the
rows so far can be merged, at the first end of a department after `stretch` rows. Should a department come
again after all, the program says U and ends; with a stretch of 0 there are no B frames.

    H  JSON: name, layout of a member              R  COPY CSV for the staging table
    C  JSON: counts so far; ends a chunk           J  JSON: rejections as [line, code, reason, raw]
    M  JSON: communes of the member; its end       B  JSON: the same, of the member so far
    D  JSON: final counts; the last frame          E  JSON: code, message; the last frame
    U  JSON: nothing; the last frame
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
#: After so many rows the next end of a department is told.
STRETCH = 100_000
_PART = 8192
_BUFFER = 1 << 18
_LONGEST_LINE = 65_536
_RAW_KEPT = 1000
#: A file of sales packs to a tenth. What unpacks to more than so many times its size is none, beyond some MB.
_RATIO = 200
_SMALL = 64 << 20
#: So many rejected rows are told one by one; more would say nothing new and fill the memory.
MAX_REJECTIONS = 10_000


class UnorderedError(Exception):
    """A department came again after it was told complete."""


class Emitter:
    """Collects COPY text and writes frames and counts."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._rows: list[str] = []
        self._rejections: list[tuple[int, str, str, str]] = []
        self._told = 0
        self.counts = {"rows": 0, "rejected": 0, "lines": 0, "naive_cents": 0}

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


class _Budget:
    """How many bytes all members of a file may have, unpacked."""

    def __init__(self, packed: int) -> None:
        self._most = self._left = max(_SMALL, _RATIO * packed)

    def spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise UnreadableFileError("too_packed", f"the file unpacks to more than {self._most:,} bytes")


def _lines(stream: IO[bytes], budget: _Budget) -> Iterator[str]:
    """Lines without their ends. UTF-8, or Windows-1252 for lines that are not."""
    while raw := stream.readline(_LONGEST_LINE):
        budget.spend(len(raw))
        if len(raw) == _LONGEST_LINE and not raw.endswith(b"\n"):
            raise UnreadableFileError("not_dvf", "a line is too long for a file of sales")
        try:
            yield raw.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            yield raw.decode("cp1252", "replace").rstrip("\r\n")


class _Member:
    """One file being read."""

    def __init__(self, name: str, stream: IO[bytes], emit: Emitter, stretch: int, budget: _Budget) -> None:
        self._lines = _lines(stream, budget)
        try:
            layout = find_layout(next(self._lines, ""))
        except UnreadableFileError as error:
            raise UnreadableFileError(error.code, f"{name}: {error}") from None
        self._converter = Converter(layout)
        self._emit = emit
        self._stretch = stretch
        self._department = ""
        self._open: set[str] = set()
        self._complete: set[str] = set()
        self._since = 0
        self._told = 0
        emit.frame(b"H", {"name": name, "layout": layout.name})

    def read(self) -> None:
        """Every row to the emitter, as staging text or as a rejection."""
        number = 1
        for number, line in enumerate(self._lines, start=2):
            try:
                text = self._converter.copy_line(line)
            except CellError as error:
                self._emit.reject(number, error, line)
            else:
                if text is not None:
                    if self._converter.department != self._department:
                        self._change_department(number)
                    self._since += 1
                    self._emit.row(text)
            if number % CHUNK == 0:
                self._end_chunk(number)
        self._end_chunk(number)
        self._emit.frame(b"M", self._converter.communes.as_json())

    def _change_department(self, line: int) -> None:
        self._department = self._converter.department
        if self._department in self._complete:
            raise UnorderedError
        if self._stretch and self._since >= self._stretch:
            self._complete |= self._open
            self._open.clear()
            self._since = 0
            self._end_chunk(line - 1)
            self._emit.frame(b"B", self._converter.communes.as_json())
        self._open.add(self._department)

    def _end_chunk(self, line: int) -> None:
        self._emit.counts["lines"] += line - self._told
        self._told = line
        self._emit.counts["naive_cents"] += self._converter.naive_cents
        self._converter.naive_cents = 0
        self._emit.end_chunk()


def read(path: Path, emit: Emitter, stretch: int = STRETCH) -> None:
    """All members of a file. Raises UnreadableFileError or, unless `stretch` is 0, UnorderedError."""
    try:
        count, budget = 0, _Budget(path.stat().st_size)
        with members(path) as found:
            for count, (name, stream) in enumerate(found, start=1):  # noqa: B007  # told after the loop
                _Member(name, stream, emit, stretch, budget).read()
    except FileNotFoundError:
        raise UnreadableFileError("file_gone", "the file is no longer there") from None
    except (EOFError, OSError, zlib.error, zipfile.BadZipFile, NotImplementedError) as error:
        raise UnreadableFileError("damaged_archive", f"the archive is damaged: {error}") from error
    if not count:
        raise UnreadableFileError("empty_file", "the archive holds no files")


def main(path: str, out: BinaryIO, stretch: int = STRETCH) -> int:
    """Read one file and write its frames; the exit status is 1 when the file as a whole is unusable."""
    emit = Emitter(out)
    try:
        read(Path(path), emit, stretch)
        emit.frame(b"D", emit.counts)
    except UnorderedError:
        emit.frame(b"U", {})
    except UnreadableFileError as error:
        emit.frame(b"E", {"code": error.code, "message": str(error)})
        return 1
    finally:
        out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.stdout.buffer, int(sys.argv[2]) if len(sys.argv) > 2 else STRETCH))
