"""Communes: La Poste's file, and finding them."""

from __future__ import annotations

from typing import Any

import pytest

from .sales_kit import LA_POSTE, Archive, geo_file

NEW_HEADER = "#Code_commune_INSEE;Nom_de_la_commune;Code_postal;Libellé_d_acheminement;Ligne_5"
BIG_CITIES = [
    "75101;PARIS 01;75001;PARIS;",
    "75116;PARIS 16;75016;PARIS;",
    "75116;PARIS 16;75116;PARIS;",
    "69381;LYON 01;69001;LYON;",
    "13201;MARSEILLE 01;13001;MARSEILLE;",
    "2A004;AJACCIO;20000;AJACCIO;",
    "97411;ST DENIS;97400;ST DENIS;",
]


def la_poste(*lines: str, encoding: str = "utf-8-sig") -> bytes:
    return "\r\n".join((NEW_HEADER, *lines)).encode(encoding)


async def names(archive: Archive, q: str, **params: Any) -> list[str]:
    return [city["name"] for city in await archive.get("/api/cities", q=q, **params)]


async def test_communes_come_with_all_their_postal_codes_and_names(archive: Archive) -> None:
    found = await archive.bring(LA_POSTE, what="cities")
    assert found["status"] == "completed"
    assert found["report"] == {
        "rows": 26,
        "rejected": 0,
        "cities": 23,
        "new": 23,
        "changed": 0,
        "unchanged": 0,
    }
    (nantua,) = await archive.get("/api/cities", q="nantua")
    assert (nantua["insee_code"], nantua["postal_codes"]) == ("01269", ["01130", "01460"])
    assert (nantua["department"], nantua["region"]) == ("01", "Auvergne-Rhône-Alpes")
    assert await names(archive, "châtillon") == ["VALSERHONE"]


async def test_importing_again_changes_nothing_and_a_new_file_only_what_is_new(archive: Archive) -> None:
    await archive.bring(la_poste(*BIG_CITIES), what="cities")
    again = (await archive.bring(la_poste(*BIG_CITIES), what="cities"))["report"]
    assert (again["new"], again["changed"], again["unchanged"]) == (0, 0, 9)
    more = [*BIG_CITIES, "2A004;AJACCIO;20090;AJACCIO;", "01004;AMBERIEU EN BUGEY;01500;AMBERIEU EN BUGEY;"]
    report = (await archive.bring(la_poste(*more), what="cities"))["report"]
    assert (report["new"], report["changed"], report["unchanged"]) == (1, 1, 8)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "latin-1"])
async def test_every_encoding_and_both_headers_are_read(archive: Archive, encoding: str) -> None:
    await archive.bring(la_poste("01033;VALSERHÔNE;01200;VALSERHÔNE;", encoding=encoding), what="cities")
    assert await names(archive, "valserhone") == ["VALSERHÔNE"]


async def test_arrondissements_lie_under_their_city(archive: Archive) -> None:
    await archive.bring(la_poste(*BIG_CITIES), what="cities")
    paris, first, sixteenth = await archive.get("/api/cities", q="paris")
    assert (paris["insee_code"], paris["postal_codes"]) == ("75056", ["75001", "75016", "75116"])
    assert first["parent_insee_code"] == sixteenth["parent_insee_code"] == "75056"
    sold = {
        "code_commune": "75116",
        "nom_commune": "Paris 16e Arrondissement",
        "id_parcelle": "75116000AB0001",
    }
    await archive.bring(geo_file(sold))
    for city in ("75056", "75116", paris["city_id"]):
        assert len(await archive.get("/api/properties", city=city)) == 1
    assert await archive.get("/api/properties", city="75101") == []


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("Saint-Genis", ["ST GENIS POUILLY"]),
        ("st genis", ["ST GENIS POUILLY"]),
        ("pouilly", ["ST GENIS POUILLY"]),
        ("PRÉVESSIN", ["PREVESSIN MOENS"]),
        ("0163", ["CHALLEX", "SERGY", "ST GENIS POUILLY"]),
        ("01053", ["BOURG EN BRESSE"]),
        ("%", []),
        ("nowhere", []),
    ],
)
async def test_search_disregards_accents_case_and_hyphens(
    archive: Archive, q: str, expected: list[str]
) -> None:
    await archive.bring(LA_POSTE, what="cities")
    assert await names(archive, q) == expected


async def test_pages_hold_every_city_once(archive: Archive) -> None:
    await archive.bring(LA_POSTE, what="cities")
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 10} | ({"cursor": cursor} if cursor else {})
        answer = await archive.http.get("/api/cities", params=params, headers=archive.headers())
        seen += [city["insee_code"] for city in answer.json()["data"]]
        cursor = answer.json()["meta"]["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 23


async def test_zeros_that_a_spreadsheet_took_are_put_back(archive: Archive) -> None:
    await archive.bring(la_poste("1269.0;NANTUA;1130.0;NANTUA;", "01269;NANTUA;1460;NANTUA;"), what="cities")
    (city,) = await archive.get("/api/cities", q="nantua")
    assert (city["insee_code"], city["postal_codes"]) == ("01269", ["01130", "01460"])


async def test_lines_without_codes_are_reported_and_other_files_refused(archive: Archive) -> None:
    found = await archive.bring(la_poste("X;NOWHERE;1;NOWHERE;", *BIG_CITIES), what="cities")
    (rejected,) = await archive.get(f"/api/properties/imports/{found['import_id']}/rejections")
    assert (rejected["line_number"], rejected["reason_code"]) == (2, "invalid_code")
    refused = await archive.bring(b"a;b\n1;2\n", what="cities")
    assert refused["status"] == "failed"
    assert "La Poste" in refused["error"]
