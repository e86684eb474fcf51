"""Caught mails in one append-only file, with an index in memory that is rebuilt from it at start."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class Entry:
    """One caught mail: its envelope, and where its bytes lie in the file."""

    id: int
    sender: str
    recipients: tuple[str, ...]
    received_at: float
    offset: int
    size: int


class MailStore:
    """Appends mails and finds them again by number or recipient (without regard to case)."""

    def __init__(self, folder: Path, *, max_bytes: int = 4 << 30) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / "mails"
        self._max_bytes = max_bytes
        self._file: BinaryIO = self._path.open("a+b", buffering=0)
        self._entries: dict[int, Entry] = {}
        self._by_recipient: dict[str, list[int]] = {}
        self._next_id = 1
        self._end = 0
        self._load()

    def _load(self) -> None:
        """Index the file; what a crash cut short at its end is dropped."""
        with self._path.open("rb") as source:
            while line := source.readline():
                entry = _parse(line, source.tell())
                if entry is None:
                    break
                source.seek(entry.size, os.SEEK_CUR)
                if source.read(1) != b"\n":
                    break
                self._index(entry)
                self._end = source.tell()
        self._file.truncate(self._end)

    def _index(self, entry: Entry) -> None:
        self._entries[entry.id] = entry
        self._next_id = entry.id + 1
        for recipient in entry.recipients:
            self._by_recipient.setdefault(recipient.lower(), []).append(entry.id)

    @property
    def full(self) -> bool:
        return self._end >= self._max_bytes

    def append(self, mails: Iterable[tuple[str, tuple[str, ...], bytes]]) -> None:
        """Store (sender, recipients, content) of each mail; they are in the file when this returns."""
        parts: list[bytes] = []
        position, now = self._end, round(time.time(), 3)
        for sender, recipients, content in mails:
            head = _head(self._next_id, sender, recipients, now, len(content))
            entry = Entry(self._next_id, sender, recipients, now, position + len(head), len(content))
            parts += (head, content, b"\n")
            position += len(head) + len(content) + 1
            self._index(entry)
        _write_all(self._file, b"".join(parts))
        self._end = position

    def get(self, number: int) -> Entry | None:
        return self._entries.get(number)

    def content(self, entry: Entry) -> bytes:
        """The mail as it came, dots unstuffed."""
        return os.pread(self._file.fileno(), entry.size, entry.offset)

    def count(self, recipient: str | None = None) -> int:
        return len(self._entries if recipient is None else self._by_recipient.get(recipient.lower(), ()))

    def newest(self, recipient: str | None = None) -> Iterator[Entry]:
        """Entries from the newest to the oldest, all or those for one recipient."""
        numbers = self._entries if recipient is None else self._by_recipient.get(recipient.lower(), [])
        return (self._entries[number] for number in reversed(numbers))

    def after(self, number: int, recipient: str | None = None) -> Iterator[Entry]:
        """Entries with a greater number than `number`, oldest first."""
        numbers = self._entries if recipient is None else self._by_recipient.get(recipient.lower(), [])
        return (self._entries[each] for each in numbers if each > number)

    def clear(self) -> None:
        """Forget every mail. Numbers go on from where they were."""
        self._file.truncate(0)
        self._end = 0
        self._entries.clear()
        self._by_recipient.clear()

    def close(self) -> None:
        self._file.close()


def _head(number: int, sender: str, recipients: tuple[str, ...], at: float, size: int) -> bytes:
    return json.dumps([number, sender, recipients, at, size]).encode() + b"\n"


def _parse(line: bytes, offset: int) -> Entry | None:
    try:
        number, sender, recipients, at, size = json.loads(line)
    except ValueError:
        return None
    return Entry(number, sender, tuple(recipients), at, offset, size)


def _write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
