"""How fast sales are imported, against a bare COPY of the same file, and how much memory that takes.

    .venv/bin/python -m bench.dvf [--rows 400000] [--runs 3]

The file is made up in the geo-dvf layout (40 columns) with the shape of real years: two rows a mutation,
dependencies, land, flats with lots, in the order of departments. It goes the whole way: reader process,
staging, grouping, merge with all indexes. `new` is a first import, `again` the same file once more, `bare` a
COPY of its cells into a table of text columns without an index. Memory is the highest resident memory of
importer and reader together, for this file and for one a quarter as long.
"""

# ruff: noqa: E402  # run as a program, it prepares the environment before the rest can be imported
from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from deploy.local.bootstrap import enter

    enter(__file__)

import argparse
import asyncio
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Iterator

import asyncpg
import psutil

from bench.import_contacts import PeakMemory, server_settings
from bench.send import postgres
from property_service.dvf.importer import Importer
from shared.database import SimpleDatabase
from shared.testing.databases import ensure_template, fresh_database, runtime_database

HEADER = (
    "id_mutation,date_mutation,numero_disposition,nature_mutation,valeur_fonciere,adresse_numero,adresse_suffixe,"
    "adresse_nom_voie,adresse_code_voie,code_postal,code_commune,nom_commune,code_departement,ancien_code_commune,"
    "ancien_nom_commune,id_parcelle,ancien_id_parcelle,numero_volume,lot1_numero,lot1_surface_carrez,lot2_numero,"
    "lot2_surface_carrez,lot3_numero,lot3_surface_carrez,lot4_numero,lot4_surface_carrez,lot5_numero,"
    "lot5_surface_carrez,nombre_lots,code_type_local,type_local,surface_reelle_bati,nombre_pieces_principales,"
    "code_nature_culture,nature_culture,code_nature_culture_speciale,nature_culture_speciale,surface_terrain,"
    "longitude,latitude"
)
TARGET = 0.1
_NAMES = ("DE LA GARE", "DES LILAS", "JEAN JAURES", "DU MOULIN", "VICTOR HUGO", "DE L EGLISE", "DES ECOLES")
_WORDS = ("HAUT", "BAS", "GRAND", "PETIT", "VIEUX", "NEUF", "NORD", "SUD", "EST", "OUEST", "LONG", "ROND")
_LOCALS = {1: "Maison", 2: "Appartement", 3: "Dépendance", 4: "Local industriel. commercial ou assimilé"}


class Mutations:
    """Made-up mutations, the same for the same seed."""

    def __init__(self, rows: int) -> None:
        self._chance = random.Random(11)
        self._rows = rows
        self._communes = max(100, rows // 120)

    def lines(self) -> Iterator[str]:
        yield HEADER
        written = number = 0
        while written < self._rows:
            number += 1
            for line in self._mutation(number, written * self._communes // self._rows):
                written += 1
                yield line

    def _mutation(self, number: int, commune: int) -> list[str]:
        chance = self._chance
        code = f"{1 + commune // 400:02}{1 + commune % 400:03}"
        head = f"2019-{number},2019-{chance.randint(1, 12):02}-{chance.randint(1, 28):02},000001,Vente"
        price = chance.randint(200, 9000) * 50
        words = (chance.choice(_WORDS), chance.choice(_NAMES), chance.choice(_WORDS), chance.randint(1, 9))
        street = f"RUE {' '.join(map(str, words))}"
        parcel = f"{code}000A{chance.choice('ABCDEF')}{chance.randint(1, 9999):04}"
        place = f"{code},COMMUNE {commune},{code[:2]},,,{parcel}"
        house = f"{chance.randint(1, 300)},,{street},0123,{code[:2]}{chance.randint(0, 9)}00,{place}"
        # The commune's place and a few kilometres around it.
        east, north = -1 + commune * 0.618 % 8, 43 + commune * 0.414 % 7
        where = f"{east + chance.uniform(-0.03, 0.03):.6f},{north + chance.uniform(-0.02, 0.02):.6f}"
        return [
            f"{head},{price},{house},,,{lots},{local},{where}"
            for lots, local in chance.choice((self._house, self._flat, self._flat, self._land))()
        ]

    def _house(self) -> list[tuple[str, str]]:
        local = f"1,{_LOCALS[1]},{self._chance.randint(50, 250)},{self._chance.randint(2, 8)}"
        rows = [(",,,,,,,,,,0", f"{local},S,sols,,,{self._chance.randint(100, 900)}")]
        if self._chance.random() < 0.6:
            rows.append(
                (",,,,,,,,,,0", f"{local},AG,terrains d'agrément,,,{self._chance.randint(100, 2000)}")
            )
        if self._chance.random() < 0.6:
            rows.append((",,,,,,,,,,0", f"3,{_LOCALS[3]},,0,S,sols,,,{self._chance.randint(100, 900)}"))
        return rows

    def _flat(self) -> list[tuple[str, str]]:
        size = self._chance.randint(15, 120)
        lots = f"{self._chance.randint(1, 400)},{size}.5,,,,,,,,,1"
        rows = [(lots, f"2,{_LOCALS[2]},{size},{1 + size // 25},,,,,")]
        cellars = self._chance.sample(range(401, 900), self._chance.choice((0, 1, 1, 2)))
        return rows + [(f"{lot},,,,,,,,,,1", f"3,{_LOCALS[3]},,0,,,,,") for lot in cellars]

    def _land(self) -> list[tuple[str, str]]:
        return [
            (",,,,,,,,,,0", f",,,,T,terres,,,{self._chance.randint(50, 20_000)}")
            for _ in range(self._chance.choice((1, 1, 2, 3)))
        ]


async def nothing(*_: object) -> None:
    """Neither rejections nor progress are of interest here."""


async def run(db: SimpleDatabase, path: Path) -> tuple[float, dict[str, int]]:
    started = time.perf_counter()
    async with db.system_tx() as tx:
        importer = Importer(tx, nothing, nothing)
        await importer.open()
        await importer.read(path)
    return time.perf_counter() - started, importer.counts


async def bare_copy(dsn: str, path: Path) -> float:
    """Seconds a COPY of the file takes, commit included."""
    connection = await asyncpg.connect(dsn)
    try:
        columns = ", ".join(f"{name} text" for name in HEADER.split(","))
        await connection.execute(f"DROP TABLE IF EXISTS bare; CREATE TABLE bare ({columns})")
        started = time.perf_counter()
        await connection.copy_to_table("bare", source=path, format="csv", header=True)
        return time.perf_counter() - started
    finally:
        await connection.close()


async def peak(template: str, path: Path) -> float:
    """Highest resident memory of this program and its reader while a file is imported, in MB."""
    async with fresh_database(template) as dsn:
        db = runtime_database(dsn, "property")
        await db.connect()
        memory = PeakMemory(os.getpid())
        memory.start()
        await run(db, path)
        memory.stop()
        await db.close()
    return memory.peak / 1e6


def show(name: str, seconds: list[float], rows: int, bare: list[float] | None = None) -> float:
    """A line of the report; the ratio to bare COPY."""
    middle = statistics.median(seconds)
    ratio = statistics.median(bare) / middle if bare else 1.0
    line = f"{name:<10}{rows / middle:>12,.0f} rows/s   {middle:6.2f} s"
    line += f"   ({min(seconds):.2f} to {max(seconds):.2f})"
    print(line + (f"   {ratio:.2f} of bare COPY" if bare else ""))
    return ratio


async def measure(arguments: argparse.Namespace, folder: Path) -> None:
    files = {}
    for name, rows in (("whole", arguments.rows), ("quarter", arguments.rows // 4)):
        files[name] = folder / f"{name}.csv"
        files[name].write_text("\n".join(Mutations(rows).lines()) + "\n")
    template = await ensure_template()
    times: dict[str, list[float]] = {"new": [], "again": [], "bare": []}
    for _ in range(arguments.runs):
        async with fresh_database(template) as dsn:
            db = runtime_database(dsn, "property")
            await db.connect()
            times["bare"].append(await bare_copy(dsn, files["whole"]))
            elapsed, counts = await run(db, files["whole"])
            times["new"].append(elapsed)
            times["again"].append((await run(db, files["whole"]))[0])
            await db.close()
            settings = await server_settings(dsn)
    print(f"machine   {platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}")
    print(f"load      {psutil.getloadavg()[0]:.1f} at the end")
    print(f"postgres  {settings}")
    names = ("rows", "mutations", "units", "dwellings", "rejected")
    size = files["whole"].stat().st_size / 1e6
    print(f"file      {size:.0f} MB, {', '.join(f'{counts[name]:,} {name}' for name in names)}")
    small, large = await peak(template, files["quarter"]), await peak(template, files["whole"])
    print(f"memory    {large:.0f} MB at most, importer and reader; {small:.0f} MB for a quarter of the file")
    ratio = show("new", times["new"], counts["rows"], times["bare"])
    show("again", times["again"], counts["rows"], times["bare"])
    show("bare", times["bare"], counts["rows"])
    print(f"target    {TARGET} of bare COPY: {'reached' if ratio >= TARGET else 'NOT reached'}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Sales import benchmark")
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--runs", type=int, default=3)
    with tempfile.TemporaryDirectory() as folder, postgres():
        asyncio.run(measure(parser.parse_args(), Path(folder)))


if __name__ == "__main__":
    main()
