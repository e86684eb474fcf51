import csv
import io
from pathlib import Path
from typing import Any

import httpx
import pytest

from code_service.exchange import job as exchange_job
from code_service.settings import Settings

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
