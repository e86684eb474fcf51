"""Where sales come from when a city's are missing or old.

Jobs that need a city's sales call, before they draw from it,

    report = await refresh_city(ctx, city_code, start=…, end=…)      # property_service.sources.refresh

with the INSEE code of the chosen city (not of its arrondissements) and the first and last sale date they are
interested in. It does nothing when the city was refreshed lately and holds enough, and it never raises for a
source that fails: what went wrong is in the job's log and in the report, and the job goes on with what is
held.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Protocol

from shared.jobs import JobContext


class SourceError(Exception):
    """A source could not be asked or did not answer as it should; the message is for people."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One commune (an arrondissement where there are some) and the years of sales that are of interest."""

    code: str
    department: str
    years: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of sales on this machine. `location` is its origin, `version` changes when its content does."""

    path: Path
    location: str
    version: str


class PropertySource(Protocol):
    """Something that has files of sales."""

    name: str

    def open(self) -> AbstractAsyncContextManager[SourceSession]:
        """Begin to ask; connections and temporary files end with the block."""
        ...


class SourceSession(Protocol):
    """Questions to a source."""

    def files(self, wanted: Wanted, known: Mapping[str, str]) -> AsyncIterator[SourceFile]:
        """Files with sales of the commune that are not among `known` (location to version), one after the
        other: each is there until the next is asked for. Raises SourceError.
        """
        ...


@dataclass(slots=True)
class RefreshReport:
    """What a refresh did. `asked` is false when nothing was needed, or there is no source."""

    asked: bool = False
    reason: str = "fresh"
    files: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    errors: list[str] = field(default_factory=list)


class RefreshCity(Protocol):
    """The signature of `refresh_city`."""

    async def __call__(self, ctx: JobContext, city_code: str, *, start: date, end: date) -> RefreshReport: ...
