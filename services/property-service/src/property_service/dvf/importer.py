"""Files of sales into the database, within one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from property_service.dvf import repository
from property_service.dvf.process import Chunk, UnorderedFileError, read_file
from property_service.dvf.reader import STRETCH
from property_service.places import service as places
from shared.database import Tx

COUNTS = (
    "rows", "rejected", "mutations", "units", "dwellings", "new", "changed", "unchanged", "total_cents",
    "naive_cents",
)  # fmt: skip

_OF_READER = ("rows", "rejected", "naive_cents", "lines")

#: Told of rejected rows: number and name of their file, [[line, code, reason, raw]].
OnRejections = Callable[[int, str, Sequence[Sequence[Any]]], Awaitable[None]]
#: Told of lines read so far, over all files.
OnProgress = Callable[[int], Awaitable[None]]


class Importer:
    """Reads files one after the other; `counts` are sums over them.

    `rows` are those that were read, `rejected` those that were not; `new`, `changed` and `unchanged` count
    sold units. `total_cents` counts each mutation's price once, `naive_cents` once a row.
    """

    def __init__(
        self, tx: Tx, on_rejections: OnRejections, on_progress: OnProgress, stretch: int = STRETCH
    ) -> None:
        self._tx = tx
        self._stretch = stretch
        self._on_rejections = on_rejections
        self._on_progress = on_progress
        self._file = 0
        self._name = ""
        self._layout = ""
        self._lines = 0
        self.counts = dict.fromkeys(COUNTS, 0)
        self.members: list[dict[str, Any]] = []

    async def open(self) -> None:
        """Make the staging tables. The caller holds the lock of imports."""
        await repository.open_staging(self._tx)

    async def read(self, path: Path, source: str | None = None) -> None:
        """Merge the files in `path`. `source` is what sales are said to come from, else the file's name.

        Merging begins while the file is still read, unless it is not in the order of departments.
        Raises UnreadableFileError or ReaderDiedError.
        """
        state = (self._file, self._lines, dict(self.counts), list(self.members))
        before = await self._tx.savepoint()
        try:
            await self._read(path, source, self._stretch)
        except UnorderedFileError:
            await before.rollback()
            self._file, self._lines, self.counts, self.members = state
            await self._read(path, source, 0)
        else:
            await before.commit()
        await repository.mark_latest(self._tx)

    async def _read(self, path: Path, source: str | None, stretch: int) -> None:
        before = dict.fromkeys(_OF_READER, 0)
        async with read_file(path, stretch) as chunks:
            async for chunk in chunks:
                await self._take(chunk, before)
                if chunk.communes is not None:
                    await self._merge(chunk.communes, source)
        self._lines += before["lines"]

    async def _take(self, chunk: Chunk, before: dict[str, int]) -> None:
        if chunk.head is not None:
            self._file += 1
            self._name, self._layout = chunk.head["name"], chunk.head["layout"]
            self.members.append({"name": self._name, "layout": self._layout, **dict.fromkeys(COUNTS, 0)})
        if chunk.rows:
            await repository.stage(self._tx, chunk.rows)
        if chunk.rejections:
            await self._on_rejections(self._file, self._name, chunk.rejections)
        for name, value in chunk.counts.items():
            if name != "lines":
                self._count(name, value - before[name])
        before.update(chunk.counts)
        await self._on_progress(self._lines + before["lines"])

    async def _merge(self, communes: dict[str, Any], source: str | None) -> None:
        await places.learn(self._tx, communes["communes"], communes["merged"])
        merged = await repository.merge(self._tx, source or f"DVF {self._layout}: {self._name}"[:300])
        for name, value in merged.items():
            self._count(name, value)

    def _count(self, name: str, more: int) -> None:
        self.counts[name] += more
        self.members[-1][name] += more
