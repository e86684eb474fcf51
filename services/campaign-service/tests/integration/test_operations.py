"""One thing done to many contacts by a filter or a segment."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from campaign_service.contacts.operations import job as operations
from campaign_service.contacts.operations.file import ExportFile
from campaign_service.settings import Settings
from shared.database import SimpleDatabase

from .contacts_kit import Contacts

NAMES = ("ann", "bob", "cleo", "dan", "eve")


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "_BATCH", 2)
    return


async def people(contacts: Contacts) -> list[str]:
    """Four French ones, and Eve, who is German."""
    french = await contacts.create(*(f"{n}@example.com" for n in NAMES[:4]), language="fr", tags=["old"])
    return french + await contacts.create("eve@example.com", language="de")


async def done(contacts: Contacts, **body: Any) -> dict[str, Any]:
    """The operation, once its job has ended well."""
    accepted = await contacts.call("POST", "/operations", body)
    result = await contacts.result(accepted["job_id"])
    found: dict[str, Any] = await contacts.call("GET", f"/operations/{accepted['id']}")
    assert (found["status"], found["done"]) == ("completed", result["done"])
    return found


async def tags_of(contacts: Contacts) -> dict[str, list[str]]:
    return {email.partition("@")[0]: row["tags"] for email, row in (await contacts.all()).items()}


@pytest.mark.usefixtures("small_batches")
async def test_a_filter_is_tagged_and_untagged_in_batches(contacts: Contacts) -> None:
    await people(contacts)
    french = {"language": "fr"}
    counted = await contacts.call(
        "POST", "/operations", {"action": "tag", "filter": french, "tags": ["new"], "dry_run": True}
    )
    assert (counted["count"], counted["job_id"]) == (4, None)
    assert await tags_of(contacts) == {**{key: ["old"] for key in NAMES[:4]}, "eve": []}
    tagged = await done(contacts, action="tag", filter=french, tags=["new"])
    assert (tagged["total"], tagged["done"], tagged["changed"]) == (4, 4, 4)
    # The filter asks for the very tag that is taken away: everybody is met all the same.
    untagged = await done(contacts, action="untag", filter={"tag": "old"}, tags=["old"])
    assert (untagged["total"], untagged["done"], untagged["changed"]) == (4, 4, 4)
    again = await done(contacts, action="tag", filter={}, tags=["new"])
    assert (again["done"], again["changed"]) == (5, 1)
    assert await tags_of(contacts) == {key: ["new"] for key in NAMES}


@pytest.mark.usefixtures("small_batches")
async def test_a_segment_means_whom_it_meant_when_it_was_asked_for(contacts: Contacts) -> None:
    await people(contacts)
    rule = {"field": "status", "value": "valid"}
    segment = await contacts.call("POST", "/segments", {"name": "Valid", "definition": rule})
    set_ = await done(contacts, action="status", segment_id=segment["id"], status="pending")
    assert (set_["done"], set_["changed"]) == (5, 5)
    assert {row["status"] for row in (await contacts.all()).values()} == {"pending"}
    await contacts.call("DELETE", f"/segments/{segment['id']}")
    missing = await contacts.post("/operations", {"action": "export", "segment_id": segment["id"]})
    assert missing.status_code == 404


@pytest.mark.usefixtures("small_batches")
async def test_people_are_deleted_and_validated_by_a_filter(contacts: Contacts) -> None:
    await people(contacts)
    await contacts.create("info@example.com", "nobody@mailinator.com", language="de")
    validated = await done(contacts, action="validate", filter={"language": "de"})
    assert (validated["done"], validated["changed"]) == (3, 3)
    rows = await contacts.all()
    assert {email for email, row in rows.items() if row["validated_at"]} == {
        "eve@example.com",
        "info@example.com",
        "nobody@mailinator.com",
    }
    gone = await done(contacts, action="delete", filter={"language": "fr"})
    assert (gone["done"], gone["changed"]) == (4, 4)
    assert len(await contacts.all()) == 3


@pytest.mark.usefixtures("small_batches")
async def test_an_export_is_a_file_of_those_who_are_meant(contacts: Contacts) -> None:
    await people(contacts)
    await contacts.create("=1+1@example.com", language="fr", custom_fields={"plan": "gold"})
    made = await done(contacts, action="export", filter={"language": "fr"})
    assert made["has_file"]
    path = f"{contacts.base}/operations/{made['id']}/export.csv"
    answer = await contacts.client.get(path, headers=contacts.headers)
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["email"] for row in rows] == [*(f"{n}@example.com" for n in NAMES[:4]), "'=1+1@example.com"]
    assert [row["plan"] for row in rows] == ["", "", "", "", "gold"]
    no_file = await done(contacts, action="tag", filter={}, tags=["x"])
    missing = await contacts.client.get(
        f"{contacts.base}/operations/{no_file['id']}/export.csv", headers=contacts.headers
    )
    assert missing.status_code == 404


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("action", ["export", "tag"])
async def test_what_is_interrupted_goes_on_where_it_was(
    contacts: Contacts, db: SimpleDatabase, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    await people(contacts)
    steps: list[int] = []
    step = operations._Operation._step

    async def failing(self: Any) -> bool:
        steps.append(1)
        if len(steps) == 2:
            raise OSError("the disk was away")
        return await step(self)

    monkeypatch.setattr(operations._Operation, "_step", failing)
    more = {"tags": ["new"]} if action == "tag" else {}
    accepted = await contacts.call("POST", "/operations", {"action": action, "filter": {}, **more})
    await _hurry(db, contacts.tenant, accepted["job_id"])
    await contacts.result(accepted["job_id"])
    found = await contacts.call("GET", f"/operations/{accepted['id']}")
    assert (found["done"], len(steps)) == (5, 5)
    if action == "tag":
        assert found["changed"] == 5
        return
    path = f"{contacts.base}/operations/{accepted['id']}/export.csv"
    answer = await contacts.client.get(path, headers=contacts.headers)
    assert [line.split(",")[0] for line in answer.text.splitlines()[1:]] == [
        f"{n}@example.com" for n in NAMES
    ]


async def _hurry(db: SimpleDatabase, tenant: UUID, job_id: str) -> None:
    """Take away the pause before the next attempt, once there is one."""
    sql = """UPDATE job SET run_at = now() - interval '1 minute'
             WHERE tenant_id = $1 AND id = $2 AND status = 'pending' AND attempt > 0"""
    while True:
        async with db.tenant_tx(tenant) as tx:
            if await tx.affected(sql, tenant, UUID(job_id)):
                return
        await asyncio.sleep(0.02)


async def test_what_is_cancelled_stays_where_it_is(
    contacts: Contacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await people(contacts)
    monkeypatch.setattr(operations, "_BATCH", 1)
    job_id = asyncio.get_running_loop().create_future()
    step = operations._Operation._step

    async def slow(self: Any) -> bool:
        await contacts.client.post(
            f"/api/v2/jobs/{contacts.tenant}/{await job_id}/cancel", headers=contacts.headers
        )
        return await step(self)

    monkeypatch.setattr(operations._Operation, "_step", slow)
    accepted = await contacts.call("POST", "/operations", {"action": "tag", "filter": {}, "tags": ["new"]})
    job_id.set_result(accepted["job_id"])
    while True:
        found = await contacts.call("GET", f"/operations/{accepted['id']}")
        if found["status"] not in ("pending", "running"):
            break
        await asyncio.sleep(0.02)
    assert found["status"] == "cancelled"
    assert found["done"] == sum("new" in tags for tags in (await tags_of(contacts)).values())
    assert found["done"] < 5


@pytest.mark.parametrize(
    "body",
    [
        {"action": "tag", "tags": ["a"]},
        {"action": "tag", "filter": {}},
        {"action": "delete", "filter": {}},
        {"action": "export", "filter": {}, "tags": ["a"]},
        {"action": "status", "filter": {}},
        {"action": "export", "filter": {}, "segment_id": "00000000-0000-7000-8000-000000000000"},
        {"action": "forget", "filter": {}},
    ],
)
async def test_requests_without_meaning_are_refused(contacts: Contacts, body: dict[str, Any]) -> None:
    assert (await contacts.post("/operations", body)).status_code == 422


@pytest.mark.parametrize("nothing", [{}, {"q": None}, {"q": " "}, {"status": None, "tag": None}])
async def test_a_filter_that_leaves_nobody_out_deletes_nobody(
    contacts: Contacts, nothing: dict[str, Any]
) -> None:
    body = {"action": "delete", "filter": nothing, "dry_run": True}
    answer = await contacts.post("/operations", body)
    assert answer.status_code == 422, answer.text


async def gone(contacts: Contacts, person: str) -> dict[str, Any]:
    """What the job behind an erasure did."""
    await contacts.call("POST", f"/{person}/erase")
    answer = await contacts.client.get(
        f"/api/v2/jobs/{contacts.tenant}", params={"type": "contacts.erasure"}, headers=contacts.headers
    )
    return await contacts.result(answer.json()["data"][0]["id"])


async def test_files_do_not_keep_who_was_forgotten(contacts: Contacts, settings: Settings) -> None:
    ann, *_ = await people(contacts)
    export = await done(contacts, action="export", filter={})
    path = f"/operations/{export['id']}"
    assert (await gone(contacts, ann))["files_withdrawn"] == 1
    assert list(settings.data_dir.glob("exports/*/*")) == []
    found = await contacts.call("GET", path)
    assert (found["has_file"], found["done"]) == (False, 5)
    assert found["file_withdrawn_at"] is not None
    answer = await contacts.client.get(f"{contacts.base}{path}/export.csv", headers=contacts.headers)
    assert answer.status_code == 404
    assert "erased" in answer.json()["error"]["message"]


@pytest.mark.usefixtures("small_batches")
async def test_an_export_under_way_begins_again_without_who_was_forgotten(
    contacts: Contacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, go_on = asyncio.Event(), asyncio.Event()

    class Slow(ExportFile):
        async def add(self, people: Sequence[dict[str, Any]]) -> None:
            await super().add(people)
            written.set()
            await go_on.wait()

    monkeypatch.setattr(operations, "ExportFile", Slow)
    ann, *_ = await people(contacts)
    exporting = asyncio.create_task(done(contacts, action="export", filter={}))
    await written.wait()
    await gone(contacts, ann)
    go_on.set()
    export = await exporting
    assert export["done"] == 4
    answer = await contacts.client.get(
        f"{contacts.base}/operations/{export['id']}/export.csv", headers=contacts.headers
    )
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["email"].partition("@")[0] for row in rows] == [*NAMES[1:]]
