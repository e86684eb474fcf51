"""Finding sales by place, type, day and price."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from property_service.sales.geo import EARTH

from .sales_kit import AIN_2018, GEO, Archive, geo_file


async def test_a_city_s_sales_come_latest_first_page_by_page(archive: Archive) -> None:
    await archive.bring(AIN_2018)
    seen: list[dict[str, Any]] = []
    params: dict[str, Any] = {"city": "01053", "limit": 200}
    while True:
        answer = (await archive.http.get("/api/properties", params=params, headers=archive.headers())).json()
        seen += answer["data"]
        if not answer["meta"]["has_more"]:
            break
        params["cursor"] = answer["meta"]["next_cursor"]
    (held,) = await archive.db.query("SELECT count(*) AS n FROM sale WHERE city_code = '01053'")
    assert len(seen) == len({sale["address_id"] for sale in seen}) == held["n"] > 200
    assert [sale["sale_date"] for sale in seen] == sorted((s["sale_date"] for s in seen), reverse=True)


async def test_answers_show_source_and_date_and_may_not_be_indexed(archive: Archive) -> None:
    await archive.bring(GEO)
    answer = await archive.http.get("/api/properties?city=01173", headers=archive.headers())
    (sale,) = answer.json()["data"]
    assert (sale["address_raw"], sale["city_name"], sale["price"]) == ("250 AV DE BELLE FERME", "GEX", 183000)
    assert (sale["surface"], sale["rooms"], sale["property_type"]) == (35, 2, "apartment")
    assert sale["source"] == "DVF geo: geodvf_2025_sample.csv"
    assert sale["updated_at"]
    assert "DGFiP" in answer.json()["meta"]["attribution"]
    refused = await archive.http.get("/api/properties")
    assert refused.status_code == 401
    for each in (answer, refused, await archive.http.get("/health")):
        assert "noindex" in each.headers["x-robots-tag"]


async def test_no_answer_and_no_table_knows_an_owner(archive: Archive) -> None:
    await archive.bring(GEO)
    columns = await archive.db.query(
        "SELECT column_name AS name FROM information_schema.columns"
        " WHERE table_schema = 'property' AND table_name IN ('sale', 'city')"
    )
    told = (await archive.get("/api/properties"))[0]
    assert not [name for name in (*told, *(c["name"] for c in columns)) if "owner" in name or "phone" in name]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"type": "house"}, {"house"}),
        ({"type": ["house", "land"]}, {"house", "land"}),
        ({"min_price": 400_000, "max_price": 425_000}, {"apartment", "house"}),
        ({"from": "2025-01-10", "to": "2025-01-10"}, {"apartment", "land"}),
        ({"type": "commercial"}, set()),
    ],
)
async def test_filters_narrow_the_list(archive: Archive, params: dict[str, Any], expected: set[str]) -> None:
    await archive.bring(GEO)
    found = await archive.get("/api/properties", **params)
    assert {sale["property_type"] for sale in found} == expected


@pytest.mark.parametrize(
    "params",
    [
        {"city": "99999"},
        {"city": "no such place"},
        {"near": ""},
        {"near": "46.2"},
        {"near": "146.2,5.1"},
        {"near": "nan,5.1"},
    ],
)
async def test_places_that_there_are_not_are_refused(archive: Archive, params: dict[str, str]) -> None:
    answer = await archive.http.get("/api/properties", params=params, headers=archive.headers())
    assert answer.status_code == 400


def metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Distance by the law of cosines: another formula than the one of the query."""
    (lat1, lon1), (lat2, lon2) = ([math.radians(x) for x in point] for point in (a, b))
    cosine = math.sin(lat1) * math.sin(lat2) + math.cos(lat1) * math.cos(lat2) * math.cos(lon2 - lon1)
    return EARTH * math.acos(min(1.0, cosine))


async def test_a_radius_finds_what_lies_within_it_and_nothing_else(archive: Archive) -> None:
    chance = random.Random(5)
    places = [(chance.uniform(45.9, 46.5), chance.uniform(4.8, 5.6)) for _ in range(400)]
    # On both sides of the meridian of Greenwich too, and where degrees of longitude are short.
    places += [(chance.uniform(49.0, 49.3), chance.uniform(-0.3, 0.3)) for _ in range(200)]
    rows = [
        {
            "latitude": f"{lat:.6f}",
            "longitude": f"{lon:.6f}",
            "id_parcelle": f"01053000AB{number:04}",
            "valeur_fonciere": str(100_000 + number),
        }
        for number, (lat, lon) in enumerate(places)
    ]
    await archive.bring(geo_file(*rows))
    for centre, radius in (((46.2, 5.2), 10_000), ((46.2, 5.2), 777), ((49.15, 0.001), 9_000)):
        expected = sorted(d for place in places if (d := metres(centre, place)) <= radius)
        near = f"{centre[0]},{centre[1]}"
        found = await archive.get("/api/properties", near=near, radius=radius, limit=200)
        assert [sale["distance"] for sale in found] == pytest.approx(expected, abs=1.0)


async def test_pages_of_a_radius_meet_end_to_end(archive: Archive) -> None:
    rows = [
        {"latitude": f"{46.2 + n / 10_000:.4f}", "longitude": "5.2", "id_parcelle": f"01053000AB{n // 2:04}"}
        | {"valeur_fonciere": str(100_000 + n)}
        for n in range(30)
    ]
    await archive.bring(geo_file(*rows))
    params: dict[str, Any] = {"near": "46.2,5.2", "radius": 30_000, "limit": 7}
    seen: list[str] = []
    while True:
        answer = (await archive.http.get("/api/properties", params=params, headers=archive.headers())).json()
        seen += [sale["address_id"] for sale in answer["data"]]
        if not answer["meta"]["has_more"]:
            break
        params["cursor"] = answer["meta"]["next_cursor"]
    assert len(seen) == len(set(seen)) == 30


async def test_the_draw_and_the_radius_are_served_by_their_indexes(archive: Archive) -> None:
    await archive.bring(AIN_2018)
    async with archive.db.plain_tx() as tx:
        draw = await tx.fetch(
            "EXPLAIN SELECT id, address_key FROM sale WHERE is_latest AND city_code = ANY ('{01053,01004}')"
            " AND property_type = ANY ('{house}') AND sale_date BETWEEN '2018-01-01' AND '2018-12-31'"
        )
        # Of a thousand rows without coordinates it would read them all.
        await tx.execute("SET LOCAL enable_seqscan = off")
        near = await tx.fetch(
            "EXPLAIN SELECT 1 FROM unnest('{1,2}'::int[], '{3,4}'::int[]) AS g (first, last)"
            " JOIN sale s ON s.geo_cell BETWEEN g.first AND g.last"
        )
    assert any("sale_eligible" in row[0] for row in draw), draw
    assert any("sale_place" in row[0] for row in near), near
