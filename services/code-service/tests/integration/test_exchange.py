import asyncio
import csv
import io
import os
import time
import zipfile
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import xlsxwriter
from fastapi import FastAPI

from code_service.exchange import job as exchange_job
from code_service.exchange.files import open_table, read_table
from code_service.exchange.table import Limits
from code_service.settings import Settings
from shared.database import SimpleDatabase

from .codes_kit import Codes, refusal
from .test_generation import finished


async def upload(codes: Codes, data: bytes, **fields: str) -> httpx.Response:
    files = {"file": ("codes.csv", data, "text/csv")}
    return await codes.client.post("/codes/import", files=files, data=fields, headers=codes.headers)


async def imported(codes: Codes, data: bytes, **fields: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The batch, once its job has ended, and its rejections."""
    answer = await upload(codes, data, **fields)
    assert answer.status_code == 202, answer.text
    accepted = answer.json()["data"]
    assert (await finished(codes, accepted["job_id"]))["status"] == "completed"
    path = f"/codes/batches/{accepted['batch_id']}"
    return await codes.data("GET", path), await codes.data("GET", f"{path}/rejections")


async def test_a_file_becomes_codes_and_every_skipped_row_is_reported(
    codes: Codes, settings: Settings
) -> None:
    await codes.create("TAKEN")
    data = "code;order_limit;studio\nA-1;2;Põhja\na-1;;\ntaken;;\n=EVIL();;\nB-2;x;\nC-3;;\n".encode("cp1257")
    batch, rejected = await imported(codes, data, pool="vip", type="upgrade")
    assert (batch["made"], batch["rejected"], batch["filename"]) == (2, 4, "codes.csv")
    assert [(row["line_number"], row["reason_code"]) for row in rejected] == [
        (3, "duplicate"),
        (4, "exists"),
        (5, "invalid_code"),
        (6, "invalid_limit"),
    ]
    assert rejected[2]["raw"] == "=EVIL();;"
    made = await codes.get("A-1")
    assert (made["pool"], made["type"], made["limit_per_order"]) == ("vip", "upgrade", 2)
    assert (made["metadata"], made["batch_id"]) == ({"studio": "Põhja"}, batch["id"])
    assert list((settings.data_dir / "imports").rglob("*.upload")) == []


async def test_an_import_in_steps_finds_duplicates_across_them(
    codes: Codes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_job, "_CHUNK", 10)
    lines = [f"CODE-{number}" for number in range(35)] + ["code-3"]
    batch, rejected = await imported(codes, "\n".join(["code", *lines]).encode())
    assert (batch["made"], batch["rejected"]) == (35, 1)
    assert (rejected[0]["line_number"], rejected[0]["reason_code"]) == (37, "exists")


@pytest.mark.parametrize("data", [b"name\nx\n", b"PK\x03\x04\x00\x00"])
async def test_files_without_codes_are_refused_at_once(codes: Codes, settings: Settings, data: bytes) -> None:
    assert refusal(await upload(codes, data)) == (400, "VALIDATION_ERROR")
    assert await codes.data("GET", "/batch-jobs") == []
    assert list((settings.data_dir / "imports").rglob("*.upload")) == []


async def test_an_export_can_be_opened_and_imported_again(codes: Codes) -> None:
    await codes.create("A", metadata={"note": "x"}, pool="vip")
    await codes.create("B")
    await codes.data("POST", "/codes/allocate", {"recipient": "=HYPERLINK(1)"})
    answer = await codes.call("GET", "/codes/export.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [(row["code"], row["status"], row["recipient"]) for row in rows] == [
        ("B", "used", "'=HYPERLINK(1)"),
        ("A", "available", ""),
    ]
    only = (await codes.call("GET", "/codes/export.csv?pool=vip")).text
    assert [row["code"] for row in csv.DictReader(io.StringIO(only.removeprefix("\ufeff")))] == ["A"]
    batch, rejected = await imported(codes, answer.content)
    assert (batch["made"], {row["reason_code"] for row in rejected}) == (0, {"exists"})


async def test_uploads_beyond_the_limit_are_refused(codes: Codes, settings: Settings, tmp_path: Path) -> None:
    answer = await upload(codes, b"code\n" + b"x" * (settings.import_max_bytes + 2 * 1024 * 1024))
    assert refusal(answer) == (413, "PAYLOAD_TOO_LARGE")


def workbook(rows: list[list[Any]]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet("Codes")
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return out.getvalue()


async def test_a_workbook_becomes_codes_too(codes: Codes, settings: Settings) -> None:
    data = workbook([["Code", "Order limit", "Studio"], ["X-1", 3, "Põhja"], ["X 2"], [], ["x-1"], [77]])
    batch, rejected = await imported(codes, data, pool="vip")
    assert (batch["made"], batch["rejected"]) == (2, 2)
    assert [(row["line_number"], row["reason_code"]) for row in rejected] == [
        (3, "invalid_code"),
        (5, "duplicate"),
    ]
    assert ((await codes.get("X-1"))["limit_per_order"], (await codes.get("77"))["pool"]) == (3, "vip")
    assert [path for path in (settings.data_dir / "imports").rglob("*") if path.is_file()] == []


async def test_a_workbook_that_turns_out_bad_later_fails_its_job_by_sheet_and_row(
    codes: Codes, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(rows=6000)
    monkeypatch.setattr(exchange_job, "open_table", lambda path: open_table(path, limits=limits))
    answer = await upload(codes, workbook([["code"], *([f"N-{number}"] for number in range(6001))]))
    job = await finished(codes, answer.json()["data"]["job_id"])
    assert job["status"] == "failed_permanent"
    assert "sheet Codes, row 6002: the sheet has more than 6,000 rows" in job["error"]
    assert [path for path in (settings.data_dir / "imports").rglob("*") if path.is_file()] == []


async def test_an_exported_workbook_holds_texts_only_and_is_removed(
    codes: Codes, settings: Settings, tmp_path: Path
) -> None:
    await codes.create("A", pool="vip")
    await codes.create("B")
    await codes.data("POST", "/codes/allocate", {"recipient": "=HYPERLINK(1)"})
    answer = await codes.call("GET", "/codes/export.xlsx")
    assert answer.headers["content-disposition"] == 'attachment; filename="codes.xlsx"'
    path = tmp_path / "codes.xlsx"
    path.write_bytes(answer.content)
    rows = [record for _, record in read_table(path)]
    assert {row["code"]: row["status"] for row in rows} == {"A": "available", "B": "used"}
    assert {row["recipient"] for row in rows} == {"", "=HYPERLINK(1)"}
    with zipfile.ZipFile(path) as archive:
        assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")
    only = await codes.call("GET", "/codes/export.xlsx?pool=vip")
    path.write_bytes(only.content)
    assert [record["code"] for _, record in read_table(path)] == ["A"]
    assert list((settings.data_dir / "exports").iterdir()) == []


async def test_uploads_that_nobody_needs_any_more_are_swept(
    codes: Codes, settings: Settings, app: FastAPI, db: SimpleDatabase, tenant_a: UUID
) -> None:
    folder = settings.data_dir / "imports" / str(tenant_a)
    folder.mkdir(parents=True)
    for name, age in (("old", 90_000), ("new", 60)):
        path = folder / f"{name}.upload"
        path.write_text("code\n")
        os.utime(path, (time.time() - age,) * 2)
    async with db.system_tx() as tx:
        await app.state.runtime.jobs.enqueue(tx, exchange_job.sweep_uploads.type, {}, tenant_id=None)
    for _ in range(1200):
        if len(list(folder.iterdir())) == 1:
            break
        await asyncio.sleep(0.05)
    assert [path.name for path in folder.iterdir()] == ["new.upload"]
