"""Asking sources for a city's sales: when it is done, what it brings, and what happens when they fail."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from property_service.sources.port import RefreshReport
from property_service.sources.refresh import refresh_city
from shared.jobs import JobContext, job
from tests.simulators.dvf import Mirror, running

from .clients_kit import add_city
from .sales_kit import GEO, RAW, Archive, geo_file

START, END = date(2018, 11, 22), date(2020, 11, 21)
DAY = 86_400


def sold(number: int, code: str = "01053", year: int = 2019) -> dict[str, str]:
    return {
        "date_mutation": f"{year}-06-{1 + number % 28:02}",
        "code_commune": code,
        "id_parcelle": f"{code}000AB{number:04}",
        "adresse_numero": str(number),
        "valeur_fonciere": str(100_000 + number),
    }


def enough(code: str = "01053") -> bytes:
    return geo_file(*(sold(number, code) for number in range(1, 61)))


class City:
    """Jobs that refresh a city, with the source that `use` has set."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.mirror: Mirror | None = None

    def use(self, **settings: Any) -> None:
        runtime = self.archive.app.state.runtime
        fast = {"dvf_mirror_pause": 0.01, "dvf_mirror_timeout": 0.5}
        runtime.config = runtime.config.model_copy(update=fast | settings)

    async def refresh(self, code: str = "01053") -> RefreshReport:
        reports: list[RefreshReport] = []

        @job("test.refresh", max_attempts=1)
        async def run(ctx: JobContext) -> None:
            reports.append(await refresh_city(ctx, code, start=START, end=END))

        row = await self.archive.run_as_job(run)
        assert row["status"] == "completed", row["error"]
        return reports[0]

    async def held(self) -> int:
        return len(await self.archive.sales("id"))


@pytest.fixture
async def city(archive: Archive) -> City:
    await add_city(archive.db, "01053", "Bourg-en-Bresse")
    return City(archive)


@pytest.fixture
async def mirror(city: City) -> AsyncIterator[Mirror]:
    async with running([(2019, "01053", enough())]) as mirror:
        city.use(dvf_mirror_url=mirror.base_url)
        yield mirror


async def test_without_a_source_what_is_held_is_all_there_is(city: City) -> None:
    report = await city.refresh()
    assert (report.asked, report.reason) == (False, "no source")


async def test_a_city_that_was_never_asked_for_is_fetched_for_all_years_of_the_window(
    city: City, mirror: Mirror
) -> None:
    report = await city.refresh()
    assert (report.asked, report.files, report.new, report.errors) == (True, 1, 60, [])
    assert [path.split("/")[4] for path in mirror.requests] == ["2018", "2019", "2020"]
    assert mirror.statuses == [404, 200, 404]
    (source,) = {sale["source"] for sale in await city.archive.sales("source")}
    assert source.startswith(f"DVF mirror: {mirror.base_url}/2019/")
    assert mirror.peak == 1
    assert all(agent.startswith("Tidings/") for agent in mirror.agents)


@pytest.mark.parametrize("has_etags", [True, False])
async def test_nothing_is_asked_of_a_fresh_city_and_nothing_is_sent_twice(
    city: City, mirror: Mirror, has_etags: bool
) -> None:
    mirror.has_etags = has_etags
    await city.refresh()
    asked = len(mirror.requests)
    city.archive.clock.advance(89 * DAY)
    assert (await city.refresh()).reason == "fresh"
    assert len(mirror.requests) == asked
    city.archive.clock.advance(2 * DAY)
    report = await city.refresh()
    assert (report.reason, report.files) == ("stale", 0)
    assert mirror.statuses[asked:] == [404, 304, 404]


async def test_a_city_with_too_few_sales_is_asked_for_again_but_not_at_once(
    city: City, mirror: Mirror
) -> None:
    # Sales outside the window are no help, however many.
    await city.archive.bring(geo_file(*(sold(number, year=2016) for number in range(100, 160))))
    mirror.files[2019, "01053"] = geo_file(*(sold(number) for number in range(1, 11)))
    assert (await city.refresh()).new == 10
    assert (await city.refresh()).reason == "fresh"
    city.archive.clock.advance(2 * DAY)
    mirror.files[2019, "01053"] = enough()
    report = await city.refresh()
    assert (report.reason, report.new, report.unchanged) == ("few", 50, 10)


async def test_sales_held_stay_when_a_source_has_them_no_longer(city: City, mirror: Mirror) -> None:
    await city.refresh()
    mirror.files.clear()
    city.archive.clock.advance(100 * DAY)
    await city.refresh()
    assert await city.held() == 60


async def test_a_city_of_arrondissements_is_asked_for_by_them(city: City, mirror: Mirror) -> None:
    await add_city(city.archive.db, "69123", "Lyon")
    for code in ("69381", "69382"):
        await add_city(city.archive.db, code, f"Lyon {code[-1]}", "69123")
        mirror.files[2019, code] = geo_file(sold(int(code[-1]), code))
    report = await city.refresh("69123")
    assert (report.files, report.new) == (2, 2)


@pytest.mark.parametrize("faults", [["429"], ["503", "500"], ["slow"], ["cut"]])
async def test_passing_troubles_of_a_mirror_are_waited_out(
    city: City, mirror: Mirror, faults: list[Any]
) -> None:
    mirror.faults = faults
    report = await city.refresh()
    assert (report.new, report.errors) == (60, [])


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        (["500"] * 3, "answered 500"),
        (["403"], "answered 403"),
        (["slow"] * 3, "ReadTimeout"),
        (["page"], "no file of property sales"),
    ],
)
async def test_lasting_troubles_are_shown_on_the_job_which_goes_on(
    city: City, mirror: Mirror, faults: list[Any], told: str
) -> None:
    mirror.faults = faults
    report = await city.refresh()
    assert told in report.errors[0]
    assert any(told in line for line in await city.archive.job_log())
    # It is not taken for fresh: the next job asks again.
    assert (await city.refresh()).new + report.new == 60


async def test_a_mirror_that_is_not_there_is_told_too(city: City) -> None:
    city.use(dvf_mirror_url="http://127.0.0.1:9/geo-dvf")
    assert "ConnectError" in (await city.refresh()).errors[0]


async def test_a_folder_is_read_once_and_again_when_a_file_changes(city: City, tmp_path: Path) -> None:
    folder = tmp_path / "dvf"
    (folder / "2019" / "communes" / "01").mkdir(parents=True)
    (folder / "2019" / "communes" / "01" / "01053.csv").write_bytes(enough())
    (folder / "2019" / "communes" / "01" / "01004.csv").write_bytes(enough("01004"))
    (folder / "geo-2025.csv").write_bytes(GEO.read_bytes())
    (folder / "whole-2018.txt").write_bytes(RAW.read_bytes())
    (folder / "notes.pdf").write_bytes(b"%PDF")
    city.use(dvf_folder=folder)
    first = await city.refresh()
    assert (first.files, first.new, first.errors) == (2, 60 + 22, [])
    city.archive.clock.advance(100 * DAY)
    assert (await city.refresh()).files == 0
    changed = folder / "2019" / "communes" / "01" / "01053.csv"
    changed.write_bytes(enough().replace(b",100007,", b",200007,"))
    os.utime(changed, (1, 1))
    city.archive.clock.advance(100 * DAY)
    again = await city.refresh()
    assert (again.files, again.new, again.changed) == (1, 0, 1)


async def test_a_folder_that_is_not_there_is_told(city: City, tmp_path: Path) -> None:
    city.use(dvf_folder=tmp_path / "gone")
    report = await city.refresh()
    assert "is not there" in report.errors[0]


async def test_an_unknown_city_is_not_asked_for(city: City, mirror: Mirror) -> None:
    assert (await city.refresh("01999")).reason == "unknown city"
    assert mirror.requests == []
