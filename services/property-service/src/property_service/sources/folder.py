"""Files of sales in a folder of this machine."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from property_service.places.departments import CODE
from property_service.sources.port import SourceError, SourceFile, SourceSession, Wanted

_SUFFIXES = (".csv", ".txt", ".csv.gz", ".txt.gz", ".zip")
_YEAR = re.compile(r"(?<!\d)(20\d\d)(?!\d)")
_DEPARTMENT = re.compile(r"(?:\d{2}|2[AB]|97\d)\Z")


class FolderSource:
    """All files below a folder, in any layout; names tell which to leave out.

    A name with years in it is left out when none of them is wanted, and one that is the code of another
    commune or department too: a folder may be a copy of a mirror.
    """

    name = "folder"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def open(self) -> AsyncIterator[SourceSession]:
        yield _Folder(self._folder)


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def files(self, wanted: Wanted, known: Mapping[str, str]) -> AsyncIterator[SourceFile]:
        for file in await asyncio.to_thread(self._list, wanted):
            if known.get(file.location) != file.version:
                yield file

    def _list(self, wanted: Wanted) -> list[SourceFile]:
        if not self._folder.is_dir():
            raise SourceError(f"the folder {self._folder} is not there")
        try:
            return [
                SourceFile(path, str(path.resolve()), f"{stat.st_size}-{stat.st_mtime_ns}")
                for path in sorted(self._folder.rglob("*"))
                if path.name.endswith(_SUFFIXES) and path.is_file() and self._fits(path, wanted)
                for stat in (path.stat(),)
            ]
        except OSError as error:
            raise SourceError(f"the folder {self._folder} cannot be read: {error.strerror}") from error

    def _fits(self, path: Path, wanted: Wanted) -> bool:
        years = [int(year) for year in _YEAR.findall(str(path.relative_to(self._folder)))]
        if years and not set(years) & set(wanted.years):
            return False
        stem = path.name.split(".", 1)[0].upper()
        if CODE.match(stem):
            return stem == wanted.code
        return stem == wanted.department if _DEPARTMENT.match(stem) else True
