"""A city's sales from the source, when they are old or too few."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from property_service.dvf.importer import Importer
from property_service.dvf.layouts import UnreadableFileError
from property_service.dvf.process import ReaderDiedError
from property_service.imports.job import import_tx
from property_service.places import repository as places
from property_service.places.departments import department_of
from property_service.sales import repository as sales
from property_service.settings import Settings, settings_of
from property_service.sources import repository
from property_service.sources.folder import FolderSource
from property_service.sources.mirror import MirrorSource
from property_service.sources.none import NoSource
from property_service.sources.port import (
    PropertySource,
    RefreshReport,
    SourceError,
    SourceFile,
    SourceSession,
    Wanted,
)
from shared.jobs import JobContext

#: A city with too few sales is not asked for again before this: a village never has enough.
_AGAIN_AFTER = timedelta(days=1)
_TOLD_REJECTIONS = 3


def source_of(settings: Settings) -> PropertySource:
    """The source that the settings name: a folder, else a mirror, else none."""
    if settings.dvf_folder is not None:
        return FolderSource(settings.dvf_folder)
    if settings.dvf_mirror_url:
        return MirrorSource(
            settings.dvf_mirror_url, pause=settings.dvf_mirror_pause, timeout=settings.dvf_mirror_timeout
        )
    return NoSource()


async def refresh_city(ctx: JobContext, city_code: str, *, start: date, end: date) -> RefreshReport:
    """Ask the source for a city's sales between two days when needed: see `port`."""
    settings = settings_of(ctx.runtime)
    source = source_of(settings)
    report = RefreshReport()
    if source.name == "none":
        report.reason = "no source"
        return report
    codes, report.reason = await _need(ctx, settings, city_code, start, end)
    if report.reason in ("stale", "few"):
        report.asked = True
        await _Refresh(ctx, source, report).run(codes, tuple(range(start.year, end.year + 1)))
    return report


async def _need(
    ctx: JobContext, settings: Settings, city_code: str, start: date, end: date
) -> tuple[list[str], str]:
    """The codes that sales of the city carry, and `stale`, `few`, `fresh` or `unknown city`."""
    now = ctx.runtime.clock.now()
    async with ctx.tx() as tx:
        city = await places.get(tx, city_code)
        if city is None:
            return [], "unknown city"
        codes = await places.sale_codes(tx, [city["id"]])
        held = await sales.count_latest(tx, codes, start, end)
    age = now - city["refreshed_at"] if city["refreshed_at"] else None
    if age is None or age > timedelta(days=settings.city_stale_days):
        return codes, "stale"
    return codes, "few" if held < settings.min_properties_per_city and age > _AGAIN_AFTER else "fresh"


class _Refresh:
    """One round of questions to a source; it ends with the first that fails."""

    def __init__(self, ctx: JobContext, source: PropertySource, report: RefreshReport) -> None:
        self._ctx = ctx
        self._source = source
        self._report = report

    async def run(self, codes: Sequence[str], years: tuple[int, ...]) -> None:
        async with self._ctx.tx() as tx:
            known = await repository.known_files(tx)
        try:
            async with self._source.open() as session:
                for code in codes:
                    await self._ask(session, Wanted(code, department_of(code), years), known)
        except SourceError as error:
            await self._tell(str(error))
            return
        if not self._report.errors:
            async with self._ctx.tx() as tx:
                await places.set_refreshed(tx, codes, self._ctx.runtime.clock.now())

    async def _ask(self, session: SourceSession, wanted: Wanted, known: dict[str, str]) -> None:
        async for file in session.files(wanted, known):
            self._ctx.check_cancelled()
            try:
                await self._read(file)
            except (UnreadableFileError, ReaderDiedError) as error:
                await self._tell(f"{file.location}: {error}")
            else:
                known[file.location] = file.version

    async def _read(self, file: SourceFile) -> None:
        rejected: list[str] = []

        async def note(_: int, name: str, rejections: Sequence[Sequence[Any]]) -> None:
            rejected.extend(f"{name}, line {line}: {reason}" for line, _, reason, _ in rejections)

        async def progress(_: int) -> None:
            self._ctx.check_cancelled()

        async with import_tx(self._ctx) as tx:
            importer = Importer(tx, note, progress)
            await importer.open()
            await importer.read(file.path, f"DVF {self._source.name}: {file.location}"[:300])
            await repository.note_file(tx, file, self._ctx.runtime.clock.now())
        self._report.files += 1
        for name in ("new", "changed", "unchanged", "rejected"):
            setattr(self._report, name, getattr(self._report, name) + importer.counts[name])
        for line in rejected[:_TOLD_REJECTIONS]:
            await self._ctx.log(line, "warning")

    async def _tell(self, message: str) -> None:
        self._report.errors.append(message)
        await self._ctx.log(message, "error")
