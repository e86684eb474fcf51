"""Files that jobs are given and leave, and jobs that only read files."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import xlsxwriter
from fastapi import FastAPI

from code_service.automation.shop import use_shop
from code_service.settings import Settings
from shared.database import SimpleDatabase
from shared.testing import TokenMint

from .automation_kit import Automation
from .codes_kit import Codes, refusal
from .shop_kit import FileShop
from .test_generation import finished


@pytest.fixture
def shop(tmp_path: Path) -> FileShop:
    return FileShop(tmp_path / "shop.json")


@pytest.fixture
async def jobs(codes: Codes, app: FastAPI, shop: FileShop) -> Automation:
    use_shop(app.state.runtime, shop.open)
    return Automation(codes)


async def test_files_by_path_are_the_tenants_own(
    jobs: Automation, settings: Settings, tenant_a: UUID, tenant_b: UUID, mint: TokenMint, tmp_path: Path
) -> None:
    own, other = (settings.data_dir / "tenants" / str(tenant) for tenant in (tenant_a, tenant_b))
    for folder in (own / "data", other):
        folder.mkdir(parents=True)
    (own / "data" / "codes.csv").write_text("code\nA\n")
    (other / "theirs.csv").write_text("code\nTHEIRS\n")
    (tmp_path / "outside.csv").write_text("code\nOUTSIDE\n")
    (own / "link.csv").symlink_to(tmp_path / "outside.csv")
    (own / "folder").symlink_to(other)

    async def with_path(path: str) -> Any:
        body = {"csv_path": path, "discount_percent": 1}
        return await jobs.post("fienta/create-codes", json=body)

    assert (await with_path("data/codes.csv")).status_code == 202
    refused = [
        "../" + str(tenant_b) + "/theirs.csv",
        "data/../../x.csv",
        str(tmp_path / "outside.csv"),
        "/etc/passwd",
        "..\\x",
        "data/.hidden",
        "data//codes.csv",
        "a\x00b",
        "x" * 501,
    ]
    for path in refused:
        assert (await with_path(path)).status_code in (400, 422), path
    for path in ("link.csv", "folder/theirs.csv", "data", "nothing.csv", "data/codes.csv/x"):
        assert refusal(await with_path(path)) == (404, "NOT_FOUND"), path


async def test_a_job_goes_on_from_what_another_made(jobs: Automation, db: SimpleDatabase) -> None:
    first = await jobs.run("fienta/rename-codes", "code\nA\n", rename_prefix="M", report_only="true")
    body = {"pairs_csv": f"jobs/{first['id']}/pairs.csv", "report_only": True}
    answer = await jobs.post("fienta/rename-codes", json=body)
    job = await finished(jobs.codes, answer.json()["data"]["job_id"])
    assert job["result"]["changes"][0]["new_code"] == "M01"


async def test_artifacts_are_nobody_elses(
    jobs: Automation, settings: Settings, mint: TokenMint, tenant_a: UUID, tenant_b: UUID
) -> None:
    job = await jobs.run("fienta/create-codes", "code\nA\n", discount_percent="1")
    answer = await jobs.download(job["id"], "plan.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="plan.csv"'
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers["x-content-type-options"] == "nosniff"
    folder = settings.data_dir / "tenants" / str(tenant_a) / "jobs" / job["id"]
    (folder / ".part").write_text("x")
    (folder / "link.csv").symlink_to("/etc/passwd")
    other = Automation(Codes(jobs.codes.client, mint.headers(tenant_b)))
    for name in ("plan.csv", "file.csv"):
        assert (await other.download(job["id"], name)).status_code == 404
    assert (await other.codes.call("GET", f"/batch-jobs/{job['id']}/artifacts")).status_code == 404
    assert (await other.codes.call("GET", f"/batch-jobs/{job['id']}/rows")).status_code == 404
    for name in ("nothing.csv", ".part", "link.csv", "..%2Fplan.csv", "%2e%2e", "..%2f..%2fshop.json"):
        assert (await jobs.download(job["id"], name)).status_code == 404, name
    assert await jobs.names(job["id"]) == ["file.csv", "plan.csv"]


async def test_two_exports_are_compared(jobs: Automation) -> None:
    files = {"before": ("a.csv", "code;limit\nA;1\nB;=2\n"), "after": ("b.csv", "limit,code\n=3,B\n1,C\n")}
    answer = await jobs.post("csv/diff", files=files)
    job = await finished(jobs.codes, answer.json()["data"]["job_id"])
    numbers = {name: job["result"][name] for name in ("added", "removed", "changed", "unchanged")}
    assert numbers == {"added": 1, "removed": 1, "changed": 1, "unchanged": 0}
    assert [tuple(row.values()) for row in await jobs.table(job["id"], "diff.csv")] == [
        ("added", "C", "", "", ""),
        ("changed", "B", "limit", "'=2", "'=3"),
        ("removed", "A", "", "", ""),
    ]


async def test_a_workbook_becomes_csv_from_which_codes_are_planned(jobs: Automation, tmp_path: Path) -> None:
    book = xlsxwriter.Workbook(tmp_path / "book.xlsx")
    for name, code in (("First", "A"), ("Second", "B")):
        sheet = book.add_worksheet(name)
        for number, row in enumerate((("Code", "Order limit"), (code, 3))):
            sheet.write_row(number, 0, row)
    book.close()
    data = (tmp_path / "book.xlsx").read_bytes()
    job = await jobs.run("xlsx-to-csv", data, sheet="Second", delimiter=";")
    assert job["result"] == {"rows": 2, "artifact": "converted.csv"}
    assert (await jobs.download(job["id"], "converted.csv")).text == "\ufeffCode;Order limit\r\nB;3\r\n"
    body = {"csv_path": f"jobs/{job['id']}/converted.csv", "discount_percent": 5}
    answer = await jobs.post("fienta/create-codes", json=body)
    plan = await finished(jobs.codes, answer.json()["data"]["job_id"])
    assert plan["result"]["changes"][0] | {"line": 0} == {
        "line": 0,
        "code": "B",
        "new_code": None,
        "percent": "5",
        "limit_per_order": 3,
        "limit_per_ticket": 1,
    }
    direct = await jobs.run("fienta/create-codes", data, discount_percent="5")
    assert direct["result"]["changes"][0]["code"] == "A"
    broken = await jobs.run("xlsx-to-csv", b"PK\x03\x04 no workbook")
    assert (broken["status"], broken["attempt"]) == ("failed_permanent", 1)


async def test_a_job_for_a_file_that_cannot_be_compared_says_why(jobs: Automation) -> None:
    files = {"before": ("a.csv", "code\nA\n"), "after": ("b.csv", "name\nB\n")}
    answer = await jobs.post("csv/diff", files=files)
    job = await finished(jobs.codes, answer.json()["data"]["job_id"])
    assert (job["status"], job["attempt"]) == ("failed_permanent", 1)
    assert "no column named code" in job["error"]
