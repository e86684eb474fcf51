import asyncio
import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from campaign_service.imports import job as import_job
from campaign_service.imports import repository
from campaign_service.settings import Settings
from campaign_service.suppressions import repository as suppressions
from campaign_service.suppressions.repository import NewSuppression
from shared.database import SimpleDatabase
from shared.testing import TokenMint


class Imports:
    """The import endpoints as one caller uses them."""

    def __init__(self, client: httpx.AsyncClient, tenant: UUID, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers
        self.base = f"/api/v2/contacts/{tenant}"

    async def upload(self, data: str | bytes, name: str = "contacts.csv", **fields: Any) -> httpx.Response:
        content = data.encode() if isinstance(data, str) else data
        form = {k: v if isinstance(v, str) else json.dumps(v) for k, v in fields.items()}
        return await self.client.post(
            f"{self.base}/import",
            files={"file": (name, content, "text/csv")},
            data=form,
            headers=self.headers,
        )

    async def run(self, data: str | bytes, **fields: Any) -> dict[str, Any]:
        """Upload and wait for the end."""
        answer = await self.upload(data, **fields)
        assert answer.status_code == 202, answer.text
        return await self.wait(answer.json()["data"]["import_id"])

    async def wait(self, import_id: str) -> dict[str, Any]:
        while True:
            found: dict[str, Any] = (await self.get(f"/imports/{import_id}")).json()["data"]
            if found["status"] in ("completed", "failed", "cancelled"):
                return found
            await asyncio.sleep(0.02)

    async def get(self, path: str = "", **params: Any) -> httpx.Response:
        return await self.client.get(self.base + path, params=params, headers=self.headers)

    async def contacts(self) -> dict[str, dict[str, Any]]:
        rows = (await self.get(limit=200)).json()["data"]
        return {row["email"]: row for row in rows}

    async def rejections(self, import_id: str) -> list[tuple[int, str]]:
        rows = (await self.get(f"/imports/{import_id}/rejections")).json()["data"]
        return [(row["line_number"], row["reason_code"]) for row in rows]


@pytest.fixture
def imports(client: httpx.AsyncClient, tenant_a: UUID, headers: dict[str, str]) -> Imports:
    return Imports(client, tenant_a, headers)


async def job_until(db: SimpleDatabase, tenant: UUID, job_id: UUID, reached: Callable[[Any], bool]) -> None:
    """Wait for a job to reach a state."""
    while True:
        (row,) = await db.query("SELECT * FROM job WHERE id = $1", [job_id], tenant_id=tenant)
        if reached(row):
            return
        await asyncio.sleep(0.02)


def counts(result: dict[str, Any]) -> dict[str, int]:
    names = ("total", "created", "updated", "unchanged", "duplicate", "rejected")
    return {name: result[name] for name in names if result[name]}


DIRTY = (
    b"\xef\xbb\xbfE-Mail;Vorname;Nachname;Sprache;Firma\r\n"
    b"anna@example.com;Anna;Berg;de;\"ACME; Inc. \"\"Best\"\"\"\r\n"
    b"\r\n"
    b" ANNA@Example.com ;Again;;;\r\n"
    b"zoe@example.com;Zo\xe9;M\xfcller;Fran\xe7ais;\r\n"
    b"not an address;Bob;;;\r\n"
    b";;;;\r\n"
    b"bob@example.com;Bob;\"Two\r\nLines\";;Ghent\r\n"
    b";Nobody;;;\r\n"
    b"eve@example.com;Eve;E;en;x;too;many\r\n"
)  # fmt: skip


async def test_a_dirty_export_becomes_contacts_and_reasons(
    imports: Imports, db: SimpleDatabase, settings: Settings
) -> None:
    answer = await imports.upload(DIRTY, tags="spring, real_estate")
    accepted = answer.json()["data"]
    assert (accepted["delimiter"], accepted["encoding"]) == (";", "windows-1252")
    assert accepted["columns"]["fields"] == {"email": 0, "first_name": 1, "last_name": 2, "language": 3}
    result = await imports.wait(accepted["import_id"])
    assert result["status"] == "completed"
    assert counts(result) == {"total": 7, "created": 3, "duplicate": 1, "rejected": 3}
    assert await imports.rejections(result["id"]) == [
        (4, "duplicate_in_file"),
        (6, "email_invalid"),
        (10, "email_missing"),
        (11, "too_many_columns"),
    ]
    contacts = await imports.contacts()
    assert set(contacts) == {"anna@example.com", "zoe@example.com", "bob@example.com"}
    assert contacts["zoe@example.com"]["first_name"] == "Zoé"
    assert contacts["zoe@example.com"]["last_name"] == "Müller"
    assert [contacts[e]["language"] for e in sorted(contacts)] == ["de", "en", "fr"]
    assert contacts["bob@example.com"]["last_name"] == "Two Lines"
    assert contacts["anna@example.com"]["custom_fields"] == {"firma": 'ACME; Inc. "Best"'}
    assert {tuple(c["tags"]) for c in contacts.values()} == {("real_estate", "spring")}
    assert list(settings.data_dir.rglob("*.csv")) == []
    text = (await imports.get(f"/imports/{result['id']}/rejections.csv")).text.removeprefix("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["line_number"] for row in rows] == ["4", "6", "10", "11"]
    assert rows[3]["raw"] == "eve@example.com;Eve;E;en;x;too;many"


async def test_the_result_is_published_with_the_contacts(
    imports: Imports, app: FastAPI, db: SimpleDatabase, tenant_a: UUID
) -> None:
    await app.state.runtime.events._relay.stop()
    result = await imports.run("email\na@example.com\nb@example.com\nbroken\n")
    rows = await db.query("SELECT * FROM outbox WHERE type LIKE 'campaign.contacts%'", tenant_id=tenant_a)
    assert len(rows) == 1
    assert rows[0]["data"] | {"job_id": 0} == {
        "import_id": result["id"],
        "job_id": 0,
        "data_source_id": None,
        "rows": 3,
        "created": 2,
        "updated": 0,
        "rejected": 1,
    }


OLD = "email,first_name,phone,language,town\nanna@example.com,Anna,,fr,Ghent\nbob@example.com,,1234,de,\n"
NEW = (
    "email,first_name,phone,language,town\n"
    "ANNA@example.com,Anja,555,,\nbob@example.com,Bob,999,es,Rome\nc@example.com,C,,,\n"
)


@pytest.mark.parametrize(
    ("mode", "expected", "anna", "bob"),
    [
        (
            "update",
            {"total": 3, "created": 1, "updated": 2},
            ("Anja", "555", "fr", {"town": "Ghent"}),
            ("Bob", "999", "es", {"town": "Rome"}),
        ),
        (
            "fill_empty",
            {"total": 3, "created": 1, "updated": 2},
            ("Anna", "555", "fr", {"town": "Ghent"}),
            ("Bob", "1234", "de", {"town": "Rome"}),
        ),
        (
            "skip",
            {"total": 3, "created": 1, "unchanged": 2},
            ("Anna", None, "fr", {"town": "Ghent"}),
            (None, "1234", "de", {}),
        ),
    ],
)
async def test_contacts_that_are_there_are_treated_as_asked(
    imports: Imports, mode: str, expected: dict[str, int], anna: Any, bob: Any
) -> None:
    await imports.run(OLD, tags="old")
    result = await imports.run(NEW, tags="new", on_conflict=mode, default_language="it")
    assert counts(result) == expected
    contacts = await imports.contacts()

    def values(email: str) -> tuple[Any, ...]:
        return tuple(contacts[email][f] for f in ("first_name", "phone", "language", "custom_fields"))

    assert values("anna@example.com") == anna
    assert values("bob@example.com") == bob
    assert contacts["c@example.com"]["language"] == "it"
    assert contacts["anna@example.com"]["tags"] == ["new", "old"]


async def test_the_same_file_again_changes_nothing(imports: Imports) -> None:
    await imports.run(OLD, tags="a")
    before = await imports.contacts()
    assert counts(await imports.run(OLD, tags="a")) == {"total": 2, "unchanged": 2}
    assert await imports.contacts() == before


async def test_suppressed_addresses_stay_suppressed(
    imports: Imports, db: SimpleDatabase, tenant_a: UUID
) -> None:
    async with db.tenant_tx(tenant_a) as tx:
        rows = [
            NewSuppression("Anna@example.com", "unsubscribed"),
            NewSuppression("bob@example.com", "complaint"),
        ]
        assert await suppressions.add_many(tx, tenant_a, rows) == 2
    await imports.run(OLD)
    contacts = await imports.contacts()
    assert contacts["anna@example.com"]["status"] == "unsubscribed"
    assert contacts["bob@example.com"]["status"] == "blacklisted"


async def test_duplicates_are_found_across_chunks(imports: Imports) -> None:
    count = 20_000
    lines = [f"p{i}@example.com,P{i}" for i in range(count)] + [f"P{i}@Example.com ,X" for i in range(500)]
    result = await imports.run("email,first_name\n" + "\n".join(lines))
    assert counts(result) == {"total": count + 500, "created": count, "duplicate": 500}
    found = await imports.rejections(result["id"])
    assert found[0] == (count + 2, "duplicate_in_file")


async def test_rows_can_name_their_own_tags(imports: Imports) -> None:
    await imports.run(
        "email;tags\na@example.com;VIP, Real Estate\nb@example.com;vip|real_estate\nc@example.com;\n",
        tags=["all"],
    )
    contacts = await imports.contacts()
    assert [contacts[f"{n}@example.com"]["tags"] for n in "abc"] == [
        ["all", "real-estate", "vip"],
        ["all", "real_estate", "vip"],
        ["all"],
    ]


async def test_a_tags_column_that_is_not_one_fails_the_import(imports: Imports) -> None:
    rows = "\n".join(f"p{i}@example.com;word{i}" for i in range(600))
    result = await imports.run("email;tags\n" + rows)
    assert result["status"] == "failed"
    assert "tags column" in result["error"]
    assert await imports.contacts() == {}


async def test_the_callers_mapping_decides(imports: Imports) -> None:
    mapping = {"Kontakt": "email", "Info": "custom.note", "Name": None}
    await imports.run("Kontakt,Name,Info\na@example.com,Anna,hello\n", mapping=mapping)
    contact = (await imports.contacts())["a@example.com"]
    assert (contact["first_name"], contact["custom_fields"]) == (None, {"note": "hello"})


async def test_a_file_without_header_is_read_by_column_number(imports: Imports) -> None:
    result = await imports.run(
        "Anna,a@example.com\nBob,b@example.com\n", mapping={"2": "email", "1": "first_name"}
    )
    assert result["created"] == 2
    assert (await imports.contacts())["a@example.com"]["first_name"] == "Anna"


async def test_unusable_uploads_say_what_to_change_and_leave_nothing(
    imports: Imports, settings: Settings
) -> None:
    cases: list[tuple[bytes, dict[str, Any], int, str]] = [
        (b"", {}, 400, "file"),
        (b"PK\x03\x04" + b"x" * 100, {}, 415, "file"),
        (b"Anna,a@example.com\n", {}, 400, "mapping"),
        (b"email\na@example.com\n", {"mapping": "{"}, 400, "mapping"),
        (b"email\na@example.com\n", {"tags": "Not A Slug"}, 400, "tags"),
        (b"email\na@example.com\n", {"mapping": "x" * 70_000}, 413, "mapping"),
    ]
    for data, fields, status, field in cases:
        answer = await imports.upload(data, **fields)
        assert (answer.status_code, answer.json()["error"]["field"]) == (status, field), answer.text
    plain = await imports.client.post(f"{imports.base}/import", content=b"email\n", headers=imports.headers)
    assert (plain.status_code, plain.json()["success"]) == (415, False)
    assert list(settings.data_dir.rglob("*.csv")) == []
    assert (await imports.get("/imports")).json()["data"] == []


class TestSmallLimit:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return Settings(
            python_env="test", data_dir=tmp_path / "data", events_url="postgres://", import_max_bytes=1000
        )

    async def test_a_file_that_is_too_large_is_refused(self, imports: Imports, settings: Settings) -> None:
        answer = await imports.upload(b"email\n" + b"a@example.com\n" * 100)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
        answer = await imports.upload(b"email\n" + b"a@example.com\n" * 100_000)
        assert answer.status_code == 413
        assert list(settings.data_dir.rglob("*.csv")) == []


async def test_a_finished_import_run_again_changes_nothing(
    imports: Imports, app: FastAPI, db: SimpleDatabase, tenant_a: UUID
) -> None:
    result = await imports.run("email\na@example.com\n")
    runtime = app.state.runtime
    async with db.tenant_tx(tenant_a) as tx:
        job = await runtime.jobs.enqueue(
            tx, "contacts.import", {"import_id": result["id"]}, tenant_id=tenant_a
        )
    await job_until(db, tenant_a, job.id, lambda row: row["status"] == "completed")
    assert (await imports.get(f"/imports/{result['id']}")).json()["data"]["finished_at"] == result[
        "finished_at"
    ]


async def test_an_import_that_fails_in_the_middle_leaves_nothing_and_succeeds_later(
    imports: Imports, app: FastAPI, db: SimpleDatabase, tenant_a: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "\n".join(f"p{i}@example.com" for i in range(40_000))
    real = repository.merge
    calls = 0

    async def fails_once(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise ConnectionError("the database went away")
        return await real(*args, **kwargs)

    monkeypatch.setattr(repository, "merge", fails_once)
    answer = await imports.upload("email\n" + rows)
    job_id = answer.json()["data"]["job_id"]
    await job_until(db, tenant_a, UUID(job_id), lambda row: row["error"] is not None)
    assert await imports.contacts() == {}
    await db.query("UPDATE job SET run_at = now()", tenant_id=tenant_a)
    result = await imports.wait(answer.json()["data"]["import_id"])
    assert counts(result) == {"total": 40_000, "created": 40_000}


async def test_a_cancelled_import_leaves_nothing(
    imports: Imports, settings: Settings, db: SimpleDatabase, tenant_a: UUID
) -> None:
    async with db.tenant_tx(tenant_a) as tx:
        # Another import of the tenant holds the lock, so this one waits.
        assert await repository.try_lock(tx, tenant_a)
        accepted = (await imports.upload("email\na@example.com\n")).json()["data"]
        path = f"/api/v2/jobs/{tenant_a}/{accepted['job_id']}/cancel"
        assert (await imports.client.post(path, headers=imports.headers)).status_code < 300
        result = await imports.wait(accepted["import_id"])
    assert result["status"] == "cancelled"
    assert await imports.contacts() == {}


async def test_two_imports_of_a_tenant_at_once_both_succeed(imports: Imports) -> None:
    rows = [f"p{i}@example.com" for i in range(5000)]
    first, second = await asyncio.gather(
        imports.run("email\n" + "\n".join(rows)), imports.run("email\n" + "\n".join(reversed(rows)))
    )
    assert {first["status"], second["status"]} == {"completed"}
    assert sorted([first["created"], second["created"]]) == [0, 5000]


async def test_left_over_uploads_are_swept(
    imports: Imports, app: FastAPI, settings: Settings, tenant_a: UUID
) -> None:
    old = settings.data_dir / "imports" / str(tenant_a) / "old.csv"
    old.parent.mkdir(parents=True)
    old.write_text("email\n")
    new = old.with_name("new.csv")
    new.write_text("email\n")
    os.utime(old, (0, 0))
    assert import_job._remove_others(settings.data_dir / "imports", set()) == 1
    assert (old.exists(), new.exists()) == (False, True)
    os.utime(new, (0, 0))
    assert import_job._remove_others(settings.data_dir / "imports", {str(new.resolve())}) == 0


def _requests(tenant: UUID, import_id: str) -> list[tuple[str, str]]:
    base = f"/api/v2/contacts/{tenant}"
    return [
        ("POST", f"{base}/import"),
        ("GET", f"{base}/imports"),
        ("GET", f"{base}/imports/{import_id}"),
        ("GET", f"{base}/imports/{import_id}/rejections"),
        ("GET", f"{base}/imports/{import_id}/rejections.csv"),
    ]


async def test_imports_are_a_tenants_own_and_need_a_role(
    imports: Imports, mint: TokenMint, tenant_a: UUID, tenant_b: UUID
) -> None:
    result = await imports.run("email\na@example.com\nbroken\n")
    for method, path in _requests(tenant_a, result["id"]):
        answer = await imports.client.request(method, path, headers=mint.headers(tenant_b))
        assert answer.status_code == 404, path
        answer = await imports.client.request(method, path, headers=mint.headers(tenant_a, "viewer"))
        assert answer.status_code == (403 if method == "POST" else 200), path
        assert (await imports.client.request(method, path)).status_code == 401
    for method, path in _requests(tenant_b, result["id"])[2:]:
        assert (await imports.client.request(method, path, headers=mint.headers(tenant_b))).status_code == 404
    listed = await imports.client.get(f"/api/v2/contacts/{tenant_b}/imports", headers=mint.headers(tenant_b))
    assert listed.json()["data"] == []
    assert (await imports.get(f"/imports/{uuid4()}")).status_code == 404
