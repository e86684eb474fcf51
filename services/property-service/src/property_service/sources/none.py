"""No source: what is held is all there is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from property_service.sources.port import SourceFile, SourceSession, Wanted


class NoSource:
    """Has no files."""

    name = "none"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[SourceSession]:
        yield _Nothing()


class _Nothing:
    async def files(self, wanted: Wanted, known: Mapping[str, str]) -> AsyncIterator[SourceFile]:
        nothing: tuple[SourceFile, ...] = ()
        for file in nothing:
            yield file
