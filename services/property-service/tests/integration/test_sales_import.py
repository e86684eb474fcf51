"""Files of sales into the database: real years, and each trap of the data by itself."""

from __future__ import annotations

import asyncio
import gzip
import io
import zipfile
from typing import Any
from uuid import UUID

import pytest

from property_service.dvf import repository

from .sales_kit import AIN_2018, AIN_2020, DATA, GEO, RAW, Archive, geo_file

LAND = {
    "code_type_local": "",
    "surface_reelle_bati": "",
    "nombre_pieces_principales": "",
    "adresse_numero": "",
    "nature_culture": "terres",
    "surface_terrain": "900",
}


def counts(report: dict[str, Any]) -> tuple[int, ...]:
    return tuple(report[name] for name in ("rows", "rejected", "mutations", "units", "dwellings", "new"))


@pytest.mark.parametrize(
    ("file", "expected", "total", "naive"),
    [
        (GEO, (36, 0, 19, 19, 14, 19), 5_913_683_30, 12_293_795_60),
        (AIN_2018, (10_000, 0, 3825, 4402, 2594, 4402), 461_926_696_53, 1_753_958_686_06),
        (AIN_2020, (10_000, 0, 3898, 4399, 2790, 4399), 556_853_357_36, 1_880_169_699_01),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_a_real_file_gives_its_mutations_and_counts_each_price_once(
    archive: Archive, file: Any, expected: tuple[int, ...], total: int, naive: int
) -> None:
    found = await archive.bring(file)
    assert found["status"] == "completed"
    assert counts(found["report"]) == expected
    assert (found["report"]["total_cents"], found["report"]["naive_cents"]) == (total, naive)
    once = await archive.db.query(
        "SELECT sum(price) AS total"
        " FROM (SELECT DISTINCT mutation_id, mutation_price_cents AS price FROM sale) s"
    )
    assert once == [{"total": total}]


async def test_a_second_import_changes_nothing_and_an_amended_one_only_what_it_amends(
    archive: Archive,
) -> None:
    await archive.bring(GEO)
    before = await archive.sales()
    again = (await archive.bring(GEO))["report"]
    assert (again["new"], again["changed"], again["unchanged"]) == (0, 0, 19)
    assert await archive.sales() == before
    # 2025-13 with another price, 2025-10 with another surface, 2025-9 withdrawn.
    text = (
        GEO.read_text(encoding="utf-8")
        .replace("314000", "315000")
        .replace("1,Maison,190,5", "1,Maison,191,5")
    )
    amended = "\n".join(line for line in text.splitlines() if not line.startswith("2025-9,")).encode()
    report = (await archive.bring(amended))["report"]
    assert (report["new"], report["changed"], report["unchanged"]) == (0, 2, 16)
    after = await archive.sales()
    assert [sale["id"] for sale in after] == [sale["id"] for sale in before]
    differing = [(a["price_cents"], b["price_cents"]) for a, b in zip(after, before, strict=True) if a != b]
    assert sorted(differing) == [(31_500_000, 31_400_000), (116_500_000, 116_500_000)]


async def test_both_formats_of_one_sale_are_one_row_and_nothing_is_lost_by_the_poorer(
    archive: Archive,
) -> None:
    geo = geo_file({"valeur_fonciere": "174500.5", "lot1_numero": "49", "lot2_numero": "6"})
    await archive.bring(geo)
    header = (DATA / "dvf_raw_2014_authentic_lines.txt").read_text(encoding="utf-8").splitlines()[0]
    raw = (
        "|||||||1|05/03/2019|Vente|174500,50|12||RUE|0010|DES LILAS|1000|BOURG-EN-BRESSE|1|53||AB|12||49|62,1"
        "|6||||||||2|2|Appartement||62|3|||"
    )
    report = (await archive.bring(f"{header}\n{raw}\n".encode()))["report"]
    assert (report["new"], report["changed"], report["unchanged"]) == (0, 0, 1)
    (sale,) = await archive.sales()
    assert sale["latitude"] == 46.2047
    assert (sale["price_cents"], sale["lots"], sale["parcel"]) == (17_450_050, "49+6", "01053000AB0012")


async def test_rows_multiplied_by_land_use_are_one_dwelling(archive: Archive) -> None:
    house = {"code_type_local": "1", "nature_culture": "sols", "surface_terrain": "500"}
    report = (
        await archive.bring(geo_file(house, house | {"nature_culture": "agrément", "surface_terrain": "777"}))
    )["report"]
    assert (report["rows"], report["mutations"], report["dwellings"]) == (2, 1, 1)
    (sale,) = await archive.sales()
    assert (sale["price_cents"], sale["land_surface"], sale["flags"]) == (15_000_000, 1277, [])


async def test_dwellings_sold_together_keep_their_addresses_but_have_no_price(archive: Archive) -> None:
    await archive.bring(geo_file({}, {"adresse_numero": "14", "id_parcelle": "01053000AB0014"}))
    sales = await archive.sales()
    assert sorted(sale["address_raw"] for sale in sales) == ["12 RUE DES LILAS", "14 RUE DES LILAS"]
    assert {sale["price_cents"] for sale in sales} == {None}
    assert {sale["mutation_price_cents"] for sale in sales} == {15_000_000}
    assert len({sale["mutation_id"] for sale in sales}) == 1
    assert sales[0]["flags"] == ["several_units"]


async def test_rows_alike_in_everything_are_as_many_dwellings(archive: Archive) -> None:
    report = (await archive.bring(geo_file({}, {})))["report"]
    assert (report["mutations"], report["dwellings"]) == (1, 2)
    assert [sale["price_cents"] for sale in await archive.sales()] == [None, None]


async def test_dependencies_share_the_price_of_their_dwelling_and_its_row_gives_the_address(
    archive: Archive,
) -> None:
    garage = {
        "code_type_local": "3",
        "adresse_numero": "5270",
        "adresse_nom_voie": "GRAND FAUBOURG",
        "id_parcelle": "01053000AB0099",
    }
    await archive.bring(geo_file(garage, {}))
    (sale,) = await archive.sales()
    assert (sale["address_raw"], sale["property_type"], sale["price_cents"]) == (
        "12 RUE DES LILAS",
        "apartment",
        15_000_000,
    )


SOLD: list[tuple[dict[str, str], tuple[str, int | None, list[str]]]] = [
    (LAND, ("land", 15_000_000, [])),
    (LAND | {"code_type_local": "3"}, ("other", 15_000_000, [])),
    ({"code_type_local": "4"}, ("commercial", 15_000_000, [])),
    (
        LAND | {"nature_mutation": "Vente en l'état futur d'achèvement", "lot1_numero": "7"},
        ("other", 15_000_000, ["vefa"]),
    ),
    ({"nature_mutation": "Echange"}, ("apartment", None, ["exchange"])),
    ({"nature_mutation": "Expropriation"}, ("apartment", None, ["expropriation"])),
    ({"nature_mutation": "Adjudication"}, ("apartment", 15_000_000, [])),
    ({"valeur_fonciere": "1"}, ("apartment", None, ["symbolic_price"])),
    ({"valeur_fonciere": "500"}, ("apartment", None, ["symbolic_price"])),
    (LAND | {"valeur_fonciere": "500"}, ("land", 50_000, [])),
    (LAND | {"valeur_fonciere": "1"}, ("land", None, ["symbolic_price"])),
    ({"valeur_fonciere": ""}, ("apartment", None, ["no_price"])),
    ({"valeur_fonciere": "0"}, ("apartment", None, ["no_price"])),
]


async def test_what_was_sold_and_at_what_price(archive: Archive) -> None:
    await archive.bring(
        geo_file(
            *(row | {"date_mutation": f"2019-05-{day:02}"} for day, (row, _) in enumerate(SOLD, start=1))
        )
    )
    found = {
        sale["sale_date"].day: (sale["property_type"], sale["price_cents"], sale["flags"])
        for sale in await archive.sales()
    }
    assert found == {day: expected for day, (_, expected) in enumerate(SOLD, start=1)}


async def test_invented_house_numbers_and_missing_sizes_are_not_shown(archive: Archive) -> None:
    await archive.bring(
        geo_file(
            {
                "adresse_numero": "5050",
                "adresse_nom_voie": "LE DRUILLET",
                "surface_reelle_bati": "0",
                "nombre_pieces_principales": "",
            }
        )
    )
    (sale,) = await archive.sales()
    assert (sale["address_raw"], sale["surface"], sale["rooms"]) == ("LE DRUILLET", None, None)
    assert sale["flags"] == ["fictitious_number"]


async def test_deals_of_one_day_and_price_in_two_communes_are_two_unless_one_is_only_land(
    archive: Archive,
) -> None:
    elsewhere = {"code_commune": "01004", "id_parcelle": "010040000A0001"}
    report = (await archive.bring(geo_file({}, elsewhere)))["report"]
    assert (report["mutations"], report["total_cents"]) == (2, 30_000_000)
    other_day = {"date_mutation": "2019-04-01"}
    report = (await archive.bring(geo_file(other_day, LAND | elsewhere | other_day)))["report"]
    assert (report["mutations"], report["total_cents"]) == (1, 15_000_000)


async def test_an_address_sold_again_is_shown_by_its_latest_sale(archive: Archive) -> None:
    later = {"date_mutation": "2021-07-01", "valeur_fonciere": "180000", "adresse_nom_voie": "Rue des Lilas"}
    await archive.bring(geo_file(later))
    await archive.bring(geo_file({}, {"adresse_numero": "14"}, {"lot1_numero": "3", "adresse_numero": "16"}))
    shown = await archive.sales("sale_date::text, address_raw, is_latest")
    assert [tuple(row.values()) for row in shown if row["address_raw"].startswith("12")] == [
        ("2019-03-05", "12 RUE DES LILAS", False),
        ("2021-07-01", "12 RUE DES LILAS", True),
    ]
    assert all(row["is_latest"] for row in shown if not row["address_raw"].startswith("12"))


async def test_a_corrected_address_leaves_the_earlier_sale_the_latest_of_its_own(archive: Archive) -> None:
    later = {"date_mutation": "2021-07-01"}
    await archive.bring(geo_file({}, later))
    await archive.bring(geo_file(later | {"adresse_numero": "14"}))
    assert [(sale["address_raw"], sale["is_latest"]) for sale in await archive.sales()] == [
        ("12 RUE DES LILAS", True),
        ("14 RUE DES LILAS", True),
    ]


async def test_of_two_sales_of_an_address_on_one_day_the_dearer_is_shown(archive: Archive) -> None:
    await archive.bring(geo_file({"valeur_fonciere": "90000"}, {}, {"valeur_fonciere": "120000"}))
    assert sorted((sale["price_cents"], sale["is_latest"]) for sale in await archive.sales()) == [
        (9_000_000, False),
        (12_000_000, False),
        (15_000_000, True),
    ]


async def test_a_former_commune_s_sales_are_those_of_today_s(archive: Archive) -> None:
    name = "Châtillon-en-Michaille"
    await archive.bring(
        geo_file({"code_commune": "01091", "nom_commune": name, "id_parcelle": "010910000A0001"})
    )
    await archive.bring(
        geo_file(
            {
                "code_commune": "01033",
                "nom_commune": "Valserhône",
                "ancien_code_commune": "01091",
                "ancien_nom_commune": name,
                "id_parcelle": "010330910A0001",
                "ancien_id_parcelle": "010910000A0001",
            }
        )
    )
    (sale,) = await archive.sales()
    assert (sale["city_code"], sale["parcel"]) == ("01033", "010910000A0001")
    (found,) = await archive.get("/api/cities", q="châtillon")
    assert found["insee_code"] == "01033"


async def test_rejected_rows_are_reported_with_line_and_reason_and_the_rest_is_taken(
    archive: Archive,
) -> None:
    bad_date, bad_price = {"date_mutation": "2019-13-45"}, {"valeur_fonciere": "cher"}
    text = geo_file({}, bad_date, bad_price, {"code_commune": "X"}, {"nature_mutation": "Don"}).decode()
    found = await archive.bring(f"{text}too,short\n,,\n".encode())
    assert (found["report"]["rows"], found["report"]["rejected"], found["report"]["new"]) == (1, 5, 1)
    rejections = await archive.get(f"/api/properties/imports/{found['import_id']}/rejections")
    assert [(row["line_number"], row["reason_code"]) for row in rejections] == [
        (3, "invalid_date"),
        (4, "invalid_price"),
        (5, "invalid_commune"),
        (6, "unknown_nature"),
        (7, "columns"),
    ]
    assert rejections[0]["file_name"] == "made.csv"
    assert "2019-13-45" in rejections[0]["raw"]


async def test_gzip_and_zip_with_several_files_are_read_like_plain_ones(archive: Archive) -> None:
    archived = io.BytesIO()
    with zipfile.ZipFile(archived, "w", zipfile.ZIP_DEFLATED) as target:
        target.write(RAW, "2018/a.txt")
        target.write(GEO, "2025/b.csv")
    found = await archive.bring(archived.getvalue(), gzip.compress(geo_file({})))
    assert found["report"]["rows"] == 33 + 36 + 1
    assert [member["name"] for member in found["report"]["members"]] == ["a.txt", "b.csv", "made.csv"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"email,name\na@example.com,A\n", "no file of property sales"),
        (gzip.compress(geo_file({}))[:-9], "damaged"),
        (b"PK\x03\x04 nothing more", "damaged"),
        (geo_file({}).replace(b"id_parcelle", b"parcelle"), "id_parcelle"),
    ],
)
async def test_a_file_that_cannot_be_read_fails_the_import_and_changes_nothing(
    archive: Archive, data: bytes, reason: str
) -> None:
    found = await archive.bring(geo_file({}), data)
    assert found["status"] == "failed"
    assert reason in found["error"]
    assert await archive.sales() == []


async def test_uploads_leave_no_files_behind(archive: Archive) -> None:
    await archive.bring(GEO)
    await archive.bring(b"this is no such file")
    folder = archive.app.state.runtime.config.data_dir / "open-data"
    assert [path for path in folder.rglob("*") if path.is_file()] == []


async def test_an_import_waits_for_the_one_before_and_can_be_cancelled_meanwhile(archive: Archive) -> None:
    jobs = archive.app.state.runtime.jobs
    async with archive.db.plain_tx() as other:
        assert await repository.try_lock(other)
        accepted = (await archive.post("properties", GEO)).json()["data"]
        path = f"/api/properties/imports/{accepted['import_id']}"
        running = asyncio.create_task(jobs.run_due())
        while (await archive.get(path))["status"] != "running":  # noqa: ASYNC110  # the table has no event
            await asyncio.sleep(0.01)
        async with archive.db.tenant_tx(archive.tenant) as tx:
            await jobs.cancel(tx, archive.tenant, UUID(accepted["job_id"]))
        await jobs.watch_cancels()
        await running
    assert (await archive.get(path))["status"] == "cancelled"
    assert await archive.sales() == []


async def test_only_admins_import_and_only_of_tenants_that_may(archive: Archive) -> None:
    operator = archive.headers("operator")
    assert (await archive.post("properties", GEO, headers=operator)).status_code == 403
    config = archive.app.state.runtime.config
    other = config.model_copy(update={"data_import_tenants": ["00000000-0000-8000-8000-000000000001"]})
    archive.app.state.runtime.config = other
    assert (await archive.post("properties", GEO)).status_code == 403
    archive.app.state.runtime.config = other.model_copy(update={"data_import_tenants": [str(archive.tenant)]})
    assert (await archive.post("properties", GEO)).status_code == 202


async def test_imports_are_told_to_their_tenant_alone(archive: Archive, tenant_b: Any) -> None:
    found = await archive.bring(GEO)
    path = f"/api/properties/imports/{found['import_id']}"
    headers = archive.headers(tenant=tenant_b)
    assert (await archive.http.get(path, headers=headers)).status_code == 404
    assert (await archive.http.get(f"{path}/rejections", headers=headers)).status_code == 404
    assert (await archive.http.get("/api/properties/imports", headers=headers)).json()["data"] == []
    assert [row["import_id"] for row in await archive.get("/api/properties/imports")] == [found["import_id"]]
