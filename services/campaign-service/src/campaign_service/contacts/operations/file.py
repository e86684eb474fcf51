"""The file of an export, written batch by batch."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from campaign_service.contacts.csv_safety import csv_lines
from campaign_service.contacts.export import cells, header


class ExportFile:
    """Each attempt has a file of its own, which begins with what the one before had committed: a worker that
    was believed dead may still write to the other.
    """

    def __init__(self, path: Path, size: int, keys: list[str]) -> None:
        self._path = path
        self._size = size
        self._keys = keys

    @classmethod
    async def open(cls, folder: Path, plan: dict[str, Any], attempt: int) -> Self:
        """The file of this attempt. `plan` has id, path, size, and in the request the keys of `columns`."""
        path = folder / f"{plan['id']}-{attempt}.csv"
        before = Path(plan["path"]) if plan["path"] not in (None, str(path)) else None
        await asyncio.to_thread(_create, path, before, plan["size"])
        file = cls(path, plan["size"], plan["request"]["columns"])
        if not plan["size"]:
            await file._append("\ufeff" + csv_lines([header(plan["request"]["columns"])]))
        return file

    @property
    def state(self) -> tuple[str, int]:
        """Path, and how many bytes of it count."""
        return str(self._path), self._size

    async def add(self, people: Sequence[dict[str, Any]]) -> None:
        await self._append(csv_lines(cells(person, self._keys) for person in people))

    async def _append(self, text: str) -> None:
        self._size = await asyncio.to_thread(_write, self._path, self._size, text.encode())


def remove(path: Path) -> None:
    """Remove an export's file with those of its other attempts."""
    operation_id = path.name.rpartition("-")[0]
    for other in path.parent.glob(f"{operation_id}-*.csv"):
        other.unlink(missing_ok=True)


def _create(path: Path, before: Path | None, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if before is not None:
        shutil.copyfile(before, path)
    with path.open("ab") as file:
        file.truncate(size)


def _write(path: Path, size: int, data: bytes) -> int:
    """Behind the first `size` bytes; the new size."""
    with path.open("r+b") as file:
        file.seek(size)
        file.write(data)
        file.truncate()
    return size + len(data)
