"""From bytes on disk to blocks of physical lines, whatever the file was saved as.

UTF-16 is recognised by its BOM (or by its zero bytes), UTF-8 by being valid. A file that is neither is
read line by line: each line as UTF-8 if it is that, else as Windows-1252, because real exports mix both.
"""

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Encoding = Literal["utf-8", "utf-16-le", "utf-16-be", "windows-1252", "mixed"]

BLOCK = 1 << 18
_LINE_LIMIT = 1 << 20
_BOMS: tuple[tuple[bytes, Encoding], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: First bytes of files that people upload in the belief that they are CSV.
_BINARY: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook (.xlsx)"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls)"),
    (b"\x1f\x8b", "a gzip file"),
    (b"%PDF-", "a PDF document"),
    (b"BZh", "a bzip2 file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"SQLite format 3", "a database file"),
    (b"\xff\xfe\x00\x00", "UTF-32 text"),
    (b"\x00\x00\xfe\xff", "UTF-32 text"),
)


class NotTextError(ValueError):
    """The file has a line so long that it cannot be a table of contacts."""


def binary_kind(head: bytes) -> str | None:
    """What a file is when it is plainly not CSV text, from its first bytes; None when it may be text."""
    for magic, name in _BINARY:
        if head.startswith(magic):
            return name
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or _bare_utf16(head):
        return None
    return "a binary file" if head.count(0) > len(head) // 100 else None


def _bare_utf16(head: bytes) -> Encoding | None:
    """UTF-16 without a BOM: every other byte of western text is zero."""
    sample = head[:2048]
    if len(sample) < 4:
        return None
    half = len(sample) // 2
    if sample[1::2].count(0) > half * 0.7 and sample[0::2].count(0) < half * 0.1:
        return "utf-16-le"
    if sample[0::2].count(0) > half * 0.7 and sample[1::2].count(0) < half * 0.1:
        return "utf-16-be"
    return None


@dataclass(frozen=True)
class TextFile:
    """How to read a file: its encoding, the length of its BOM in bytes, about how many lines it has."""

    path: Path
    encoding: Encoding
    bom_length: int
    lines: int


def detect(path: Path) -> TextFile:
    """Find out the encoding of a file. Reads it two or three times, in blocks."""
    with path.open("rb") as file:
        lines = _count_lines(file)
        file.seek(0)
        encoding, bom_length = _encoding(file)
    return TextFile(path, encoding, bom_length, lines)


def _encoding(file: io.BufferedReader) -> tuple[Encoding, int]:
    head = file.read(4096)
    for bom, encoding in _BOMS:
        if head.startswith(bom) and encoding != "utf-8":
            return encoding, len(bom)
    if bare := _bare_utf16(head):
        return bare, 0
    bom_length = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    file.seek(bom_length)
    if _is_utf8(file):
        return "utf-8", bom_length
    file.seek(bom_length)
    return _single_byte_or_mixed(file), bom_length


def _count_lines(file: io.BufferedReader) -> int:
    """Line ends of a file; raises NotTextError for an endless line, because a line is held in memory."""
    length = feeds = returns = 0
    while block := file.read(BLOCK):
        in_block = block.count(b"\n"), block.count(b"\r")
        feeds, returns = feeds + in_block[0], returns + in_block[1]
        length = 0 if any(in_block) else length + len(block)
        if length > _LINE_LIMIT:
            raise NotTextError(f"a line is longer than {_LINE_LIMIT} bytes")
    return max(feeds, returns)


def _is_utf8(file: io.BufferedReader) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while block := file.read(BLOCK):
            if not block.isascii() or decoder.getstate()[0]:
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _single_byte_or_mixed(file: io.BufferedReader) -> Encoding:
    for lines in _byte_lines(file):
        for line in lines:
            if not line.isascii() and _utf8_or_none(line) is not None:
                return "mixed"
    return "windows-1252"


def _utf8_or_none(line: bytes) -> str | None:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return None


def decode_line(line: bytes) -> str:
    """One line as UTF-8 when it is that, else Windows-1252 with its five unused bytes as Latin-1 controls."""
    text = _utf8_or_none(line)
    if text is not None:
        return text
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _byte_lines(file: io.BufferedReader) -> Iterator[list[bytes]]:
    """Blocks of whole lines with their ends; a line ends with LF, CR LF or CR."""
    rest = b""
    while block := file.read(BLOCK):
        lines = (rest + block).splitlines(keepends=True)
        rest = lines.pop()
        # A CR at the very end may be the first half of CR LF: keep that line back too.
        if lines:
            yield lines
    if rest:
        yield [rest]


def line_blocks(source: TextFile) -> Iterator[list[str]]:
    """The physical lines of a file with their line ends, in blocks of about BLOCK characters."""
    with source.path.open("rb") as file:
        file.seek(source.bom_length)
        if source.encoding in ("mixed", "windows-1252"):
            for lines in _byte_lines(file):
                yield [decode_line(line) for line in lines]
            return
        text = io.TextIOWrapper(file, encoding=source.encoding, errors="replace", newline="")
        while block := text.readlines(BLOCK):
            yield block
