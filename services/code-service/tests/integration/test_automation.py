"""Jobs at the ticket shop: what they show, what they do, what they leave behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from code_service.automation.shop import use_shop
from code_service.settings import Settings

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


async def synced(codes: Codes, code: str) -> str:
    return str((await codes.get(code))["sync_state"])


NEW = "code;studio;order_limit;discount_percent\nA-1;North;2;\nA-2;;;0\nnot ok;;;\n"


async def test_a_job_is_a_dry_run_unless_told_otherwise_and_shows_what_it_would_do(
    jobs: Automation, shop: FileShop
) -> None:
    shop.add("A-2", 50)
    accepted = await jobs.start("fienta/create-codes", NEW, discount_percent="40", title="Fair")
    assert (accepted["type"], accepted["dry_run"], accepted["rows"], accepted["to_do"]) == (
        "fienta.create_codes",
        True,
        3,
        2,
    )
    job = await finished(jobs.codes, accepted["job_id"])
    result = job["result"]
    assert (job["status"], result["dry_run"], result["compared_with_shop"]) == ("completed", True, True)
    assert result["changes"] == [
        {
            "line": 2,
            "code": "A-1",
            "new_code": None,
            "percent": "40",
            "limit_per_order": 2,
            "limit_per_ticket": 1,
            "title": "North",
        }
    ]
    assert [(row["line"], row["code"]) for row in result["failures"]] == [(3, "A-2"), (4, "not ok")]
    assert result["failures"][0]["reason"] == "Fienta has a code A-2 already, with 50 % off, no tickets"
    plan = await jobs.table(job["id"], "plan.csv")
    assert [(row["code"], row["state"], row["after"]) for row in plan] == [
        ("A-1", "pending", "A-1: 40 % off, 2 orders, 1 tickets"),
        ("A-2", "failed", ""),
        ("not ok", "failed", ""),
    ]
    assert (shop.calls, sorted(shop.codes)) == ([], ["A-2"])
    assert await jobs.names(job["id"]) == ["file.csv", "plan.csv"]


async def test_without_an_account_a_dry_run_shows_the_plan_alone(codes: Codes) -> None:
    jobs = Automation(codes)
    job = await jobs.run("fienta/create-codes", NEW, discount_percent="40")
    assert (job["status"], job["result"]["compared_with_shop"], job["result"]["to_do"]) == (
        "completed",
        False,
        2,
    )
    real = await jobs.run("fienta/create-codes", NEW, discount_percent="40", dry_run="false")
    assert real["status"] == "failed_permanent"
    assert "no credentials for Fienta are stored" in real["error"]


async def test_codes_are_made_once_and_ours_follow(jobs: Automation, shop: FileShop) -> None:
    await jobs.codes.create("a-1")
    await jobs.codes.create("OTHER")
    job = await jobs.run(
        "fienta/create-codes",
        NEW,
        discount_percent="40",
        dry_run="false",
        event_id="118000",
        headless="false",
    )
    assert job["status"] == "completed", job["error"]
    assert {name: job["result"][name] for name in ("rows", "done", "skipped", "failed", "to_do")} == {
        "rows": 3,
        "done": 2,
        "skipped": 0,
        "failed": 1,
        "to_do": 0,
    }
    assert shop.calls == ["create A-1", "create A-2"]
    assert str(shop.codes["A-2"].discount) == "0 %"
    assert (shop.opened_with[0]["event"], shop.opened_with[0]["headless"]) == ("118000", False)
    assert [await synced(jobs.codes, code) for code in ("A-1", "OTHER")] == ["synced", "none"]
    ours = await jobs.codes.get("A-1")
    assert (ours["limit_per_order"], ours["limit_per_ticket"]) == (2, 1)
    assert ours["metadata"] == {"discount_percent": 40}
    assert ("sync", "available", "available") in await jobs.codes.history("A-1")
    assert (await jobs.rows(job["id"], "failed"))[0][:3] == (4, "not ok", "failed")
    log = await jobs.codes.data("GET", f"/batch-jobs/{job['id']}/logs")
    assert [line["line"] for line in log] == ["line 2: A-1 done", "line 3: A-2 done"]
    assert job["progress"] == {"done": 3, "total": 3}

    again = await jobs.run("fienta/create-codes", NEW, discount_percent="40", dry_run="false")
    assert (again["result"]["done"], again["result"]["skipped"]) == (0, 2)
    assert len(shop.calls) == 2


async def test_renaming_lets_our_codes_follow_where_they_can(jobs: Automation, shop: FileShop) -> None:
    for code in ("A", "B", "C", "D"):
        shop.add(code)
    for code in ("A", "B", "MOB-003"):
        await jobs.codes.create(code)
    text = "code,created_at\nA,12.09.2025\nB,12.09.2025\nC,12.09.2025\nX,12.09.2025\nD,13.09.2025\n"
    values = {
        "rename_prefix": "MOB-",
        "rename_pad_length": 3,
        "rename_start": 2,
        "created_at_includes": "12.09",
        "code_regex": "^[A-X]$",
    }
    dry = await jobs.run("fienta/rename-codes", text, **values)
    assert [(one["code"], one["new_code"]) for one in dry["result"]["changes"]] == [
        ("A", "MOB-002"),
        ("B", "MOB-003"),
        ("C", "MOB-004"),
    ]
    pairs = (await jobs.download(dry["id"], "pairs.csv")).content
    job = await jobs.run("fienta/rename-codes", pairs, role="pairs", dry_run="false")
    assert job["result"]["done"] == 3
    assert sorted(shop.codes) == ["D", "MOB-002", "MOB-003", "MOB-004"]
    assert await jobs.rows(job["id"], "failed") == [(5, "X", "failed", "Fienta has no code X")]
    assert (await jobs.rows(job["id"], "done"))[1] == (
        3,
        "B",
        "done",
        "another of our codes is called MOB-003; ours stays B",
    )
    assert [await synced(jobs.codes, code) for code in ("MOB-002", "B", "MOB-003")] == [
        "synced",
        "drift",
        "none",
    ]
    assert (await jobs.codes.call("GET", "/codes/A")).status_code == 404
    assert await jobs.codes.history("MOB-002") == [
        ("create", None, "available"),
        ("rename", "available", "available"),
    ]


async def test_a_report_never_asks_the_shop_and_never_changes_it(jobs: Automation, shop: FileShop) -> None:
    text = "A-1\nB-1\nA-2\n"
    job = await jobs.run(
        "fienta/rename-codes",
        text,
        role="list",
        rename_prefix="N",
        list_starts_with="A",
        report_only="true",
        dry_run="false",
    )
    assert (job["result"]["dry_run"], job["result"]["compared_with_shop"]) == (True, False)
    assert await jobs.table(job["id"], "pairs.csv") == [
        {"old": "A-1", "new": "N01"},
        {"old": "A-2", "new": "N02"},
    ]
    assert shop.opened_with == []


async def test_a_discount_of_zero_and_limits_alone_can_be_set(jobs: Automation, shop: FileShop) -> None:
    for code in ("A", "B"):
        shop.add(code)
        await jobs.codes.create(code, limit_per_order=1, metadata={"discount_percent": 40, "note": "x"})
    job = await jobs.run("fienta/update-discount", "code\nA\nB\n", discount_percent="0", dry_run="false")
    assert job["result"]["done"] == 2
    assert {str(found.discount) for found in shop.codes.values()} == {"0 %"}
    assert (await jobs.codes.get("A"))["metadata"] == {"discount_percent": 0, "note": "x"}
    limits = {"discount_percent": 90, "limit_per_order": 0, "limit_per_ticket": 3, "only_update_limit": True}
    job = await jobs.run("fienta/update-discount", "code\nA\n", dry_run="false", **limits)
    found = shop.codes["A"]
    assert (str(found.discount), found.limit_per_order, found.limit_per_ticket) == ("0 %", None, 3)
    ours = await jobs.codes.get("A")
    assert (ours["limit_per_order"], ours["limit_per_ticket"], ours["sync_state"]) == (None, 3, "synced")
    again = await jobs.run("fienta/update-discount", "code\nA\n", dry_run="false", **limits)
    assert (again["result"]["skipped"], len(shop.calls)) == (1, 3)
    for values in ({"discount_amount_minor": "500"}, {"discount_percent": "12.5"}):
        await jobs.run("fienta/update-discount", "code\nA\n", dry_run="false", **values)
        ours = await jobs.codes.get("A")
        assert ours["metadata"] == {"note": "x"} | {name: float(value) for name, value in values.items()}


async def test_a_job_of_which_nothing_could_be_done_has_failed_and_can_be_requeued(
    jobs: Automation, shop: FileShop
) -> None:
    await jobs.codes.create("A")
    job = await jobs.run("fienta/update-discount", "code\nA\n", discount_percent="10", dry_run="false")
    assert (job["status"], job["attempt"]) == ("failed_permanent", 1)
    assert "none of 1 rows could be done; line 2: Fienta has no code A" in job["error"]
    assert await synced(jobs.codes, "A") == "failed"
    assert "results.csv" in await jobs.names(job["id"])
    shop.add("A")
    await jobs.codes.data("POST", f"/batch-jobs/{job['id']}/requeue")
    assert (await finished(jobs.codes, job["id"]))["result"]["done"] == 1
    assert await synced(jobs.codes, "A") == "synced"


async def test_nobody_logs_in_for_rows_that_cannot_be_done(jobs: Automation, shop: FileShop) -> None:
    job = await jobs.run("fienta/create-codes", "code\nnot ok\n", discount_percent="10", dry_run="false")
    assert (job["status"], shop.opened_with) == ("failed_permanent", [])
    assert "line 2: a code has 1 to 64 letters" in job["error"]


async def test_same_request_with_one_key_is_one_job(jobs: Automation, settings: Settings) -> None:
    def sent(text: str) -> dict[str, Any]:
        return {"data": {"discount_percent": "1"}, "files": {"file": ("x.csv", text)}}

    first, repeat = [await jobs.post("fienta/create-codes", key="k1", **sent("code\nA\n")) for _ in range(2)]
    assert first.json()["data"] == repeat.json()["data"]
    assert repeat.headers["idempotent-replayed"] == "true"
    other = await jobs.post("fienta/create-codes", key="k1", **sent("code\nB\n"))
    assert refusal(other) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len(await jobs.codes.data("GET", "/batch-jobs")) == 1
    assert list(settings.data_dir.rglob("incoming/*")) == []


@pytest.mark.parametrize(
    ("path", "sent", "expected"),
    [
        ("fienta/create-codes", {"json": {}}, (400, "VALIDATION_ERROR")),
        ("fienta/create-codes", {"json": []}, (422, "UNPROCESSABLE")),
        ("fienta/create-codes", {"content": b"{"}, (400, "VALIDATION_ERROR")),
        ("fienta/create-codes", {"json": {"discount_percent": 101}}, (422, "UNPROCESSABLE")),
        ("fienta/create-codes", {"json": {"password": "x"}}, (422, "UNPROCESSABLE")),
        ("fienta/create-codes", {"files": {"file": ("a.csv", "name\nx\n")}}, (400, "NO_PLAN")),
        ("fienta/create-codes", {"files": {"file": ("a.xlsx", b"PK\x03\x04")}}, (400, "NO_PLAN")),
        ("fienta/create-codes", {"files": {"other": ("a.csv", "code\nx\n")}}, (400, "VALIDATION_ERROR")),
        ("fienta/rename-codes", {"files": {"file": ("a.csv", "code\nx\n")}}, (400, "NO_PLAN")),
        ("csv/diff", {"files": {"before": ("a.csv", "code\nx\n")}}, (400, "VALIDATION_ERROR")),
        (
            "xlsx-to-csv",
            {"content": b"x", "headers": {"content-type": "text/csv"}},
            (415, "UNSUPPORTED_MEDIA_TYPE"),
        ),
    ],
)
async def test_requests_that_make_no_job(
    jobs: Automation, settings: Settings, path: str, sent: dict[str, Any], expected: tuple[int, str]
) -> None:
    sent = {**sent, "headers": jobs.codes.headers | sent.get("headers", {})}
    if "content" in sent:
        sent["headers"] = {"content-type": "application/json"} | sent["headers"]
    answer = await jobs.codes.client.post(f"/automation/{path}", **sent)
    assert refusal(answer) == expected
    assert await jobs.codes.data("GET", "/batch-jobs") == []
    assert [found for found in settings.data_dir.rglob("*") if found.is_file()] == []
