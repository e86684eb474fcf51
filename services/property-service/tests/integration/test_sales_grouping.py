"""What a file says does not depend on the order of its rows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from property_service.dvf import repository
from property_service.dvf.importer import Importer
from property_service.dvf.layouts import find_layout
from property_service.dvf.rows import Converter
from property_service.places import service as places
from shared.database import SimpleDatabase, Tx
from shared.testing.databases import runtime_database

from .sales_kit import FLAT, GEO, GEO_HEADER, geo_file

#: Few values, so that deals share days, prices, parcels and communes.
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "date_mutation": st.sampled_from(["2019-03-05", "2019-03-06"]),
            "nature_mutation": st.sampled_from(["Vente", "Vente", "Echange"]),
            "valeur_fonciere": st.sampled_from(["", "1", "150000", "150000", "90000"]),
            "adresse_numero": st.sampled_from(["", "12", "14", "5050"]),
            "code_commune": st.sampled_from(["01053", "01053", "01004"]),
            "id_parcelle": st.sampled_from(["01053000AB0012", "01053000AB0013", "010040000A0001"]),
            "lot1_numero": st.sampled_from(["", "1", "2"]),
            "code_type_local": st.sampled_from(["", "1", "2", "3", "4"]),
            "surface_reelle_bati": st.sampled_from(["", "50", "60"]),
            "nature_culture": st.sampled_from(["", "sols"]),
            "surface_terrain": st.sampled_from(["", "500"]),
        }
    ),
    min_size=1,
    max_size=12,
)


class Undo(Exception):  # noqa: N818  # it is no error
    """Ends a transaction whose rows are of no more interest."""


async def merged(db: SimpleDatabase, lines: Sequence[str]) -> list[dict[str, Any]]:
    """The sales that lines of a file come to, in a database that holds no others."""
    converter = Converter(find_layout(",".join(GEO_HEADER)))
    rows = [text for line in lines if (text := converter.copy_line(line))]
    found: list[dict[str, Any]] = []
    try:
        async with db.plain_tx() as tx:
            found = await _merge(tx, converter, rows)
            raise Undo
    except Undo:
        return found


async def _merge(tx: Tx, converter: Converter, rows: Sequence[str]) -> list[dict[str, Any]]:
    await repository.open_staging(tx)
    await repository.stage(tx, ["".join(rows).encode()])
    known = converter.communes
    await places.learn(tx, [(code, name, []) for code, name in known.names.items()], known.merged)
    await repository.merge(tx, "test")
    await repository.mark_latest(tx)
    return await sales_of(tx)


def run_both(dsn: str, first: Sequence[str], second: Sequence[str]) -> tuple[Any, Any]:
    async def both() -> tuple[Any, Any]:
        db = runtime_database(dsn, "property", 1)
        await db.connect()
        try:
            return await merged(db, first), await merged(db, second)
        finally:
            await db.close()

    return asyncio.run(both())


@pytest.fixture
def dsn(database_dsn: str) -> str:
    return database_dsn


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, seed=st.integers(0, 2**32))
def test_grouping_is_independent_of_the_order_of_rows(
    dsn: str, rows: list[dict[str, str]], seed: int
) -> None:
    lines = geo_file(*(FLAT | row for row in rows)).decode().splitlines()[1:]
    mixed = random.Random(seed).sample(lines, len(lines))
    first, second = run_both(dsn, lines, mixed)
    assert first == second
    assert first


async def test_files_merged_by_department_and_as_a_whole_come_to_the_same(
    db: SimpleDatabase, tmp_path: Path
) -> None:
    departments = ("01", "02", "03", "02", "2A")
    rows = [
        {"code_commune": f"{d}053", "id_parcelle": f"{d}053000AB00{n}", "code_type_local": kind}
        for d in departments
        for n, kind in ((10, "2"), (10, "3"), (11, "2"))
    ]
    path = tmp_path / "made.csv"
    found = []
    for ordered in (False, True):
        path.write_bytes(geo_file(*(sorted(rows, key=lambda row: row["code_commune"]) if ordered else rows)))
        for stretch in (0, 2):
            found.append(await imported(db, path, stretch))
    # The rows of 02 are there twice, so its flats are four.
    assert len(found[0][0]) == 2 + 4 + 2 + 2
    assert all(each == found[0] for each in found)


async def imported(
    db: SimpleDatabase, path: Path, stretch: int
) -> tuple[list[dict[str, Any]], dict[str, int], int]:
    """Sales, counts and number of files told of, in a database that holds no others."""
    result: Any = None

    async def nothing(*_: object) -> None:
        """Neither rejections nor progress are of interest here."""

    try:
        async with db.plain_tx() as tx:
            importer = Importer(tx, nothing, nothing, stretch)
            await importer.open()
            await importer.read(path)
            result = (await sales_of(tx), importer.counts, len(importer.members))
            raise Undo
    except Undo:
        return result  # type: ignore[no-any-return]


async def sales_of(tx: Tx) -> list[dict[str, Any]]:
    found = await tx.fetch("SELECT * FROM sale ORDER BY id")
    return [{name: value for name, value in row.items() if not name.endswith("_at")} for row in found]


async def test_the_real_sample_shuffled_is_the_real_sample(db: SimpleDatabase) -> None:
    lines = GEO.read_text(encoding="utf-8").splitlines()[1:]
    expected = await merged(db, lines)
    assert len({sale["mutation_id"] for sale in expected}) == 19
    for seed in range(3):
        assert await merged(db, random.Random(seed).sample(lines, len(lines))) == expected
