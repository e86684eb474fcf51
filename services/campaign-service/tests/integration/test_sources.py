"""Data sources over HTTP: what is kept of them, and what they protect."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from campaign_service.app import create_app
from campaign_service.settings import Settings
from shared.database import SimpleDatabase
from shared.testing import TokenMint

from .sources_kit import Sources

SECRET = "a secret nobody may read again"
REMOTE: dict[str, Any] = {"url": "https://scraper.example.com", "secret": SECRET}


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings.model_copy(update={"provider_private_hosts": ["127.0.0.1"]}))


@pytest.fixture
def sources(client: httpx.AsyncClient, tenant_a: UUID, headers: dict[str, str]) -> Sources:
    return Sources(client, tenant_a, headers)


async def test_a_source_is_made_read_changed_and_deleted(sources: Sources) -> None:
    source_id = await sources.create("Scraper France", "scraper-pro", **REMOTE, tags=["fr"])
    assert (await sources.post("scraper france", "csv")).status_code == 409
    found = await sources.get(source_id)
    assert found["settings"]["url"] == "https://scraper.example.com"
    assert (found["has_secret"], found["contact_count"], found["last_sync"]) == (True, 0, None)
    changed = await sources.request("PUT", f"/{source_id}", json={"settings": {"tags": ["it"]}})
    assert changed.json()["data"]["settings"] == found["settings"] | {"tags": ["it"]}
    assert changed.json()["data"]["has_secret"] is True
    assert (await sources.request("DELETE", f"/{source_id}")).status_code == 200
    assert (await sources.request("GET", f"/{source_id}")).status_code == 404


async def test_secrets_are_stored_sealed_and_never_given_out(
    sources: Sources, db: SimpleDatabase, tenant_a: UUID
) -> None:
    answer = await sources.post("Scraper", "scraper-pro", **REMOTE)
    listed = await sources.request("GET")
    (row,) = await db.query("SELECT secret, settings FROM data_source", tenant_id=tenant_a)
    said = answer.content + listed.content + row["secret"] + str(row["settings"]).encode()
    assert SECRET.encode() not in said


async def test_a_secret_does_not_follow_to_a_new_address(sources: Sources) -> None:
    source_id = await sources.create("Scraper", "scraper-pro", **REMOTE)
    elsewhere = {"url": "https://thief.example.com"}
    refused = await sources.request("PUT", f"/{source_id}", json={"settings": elsewhere})
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "settings.secret")
    both = {"settings": elsewhere | {"secret": "new"}}
    assert (await sources.request("PUT", f"/{source_id}", json=both)).status_code == 200


@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [
        ("scraper-pro", {"url": "https://scraper.example.com"}, "settings.secret"),
        ("api", REMOTE | {"url": "http://scraper.example.com"}, "settings.url"),
        ("api", REMOTE | {"url": "https://10.1.2.3/contacts"}, "settings.url"),
        ("api", REMOTE | {"url": "https://localhost"}, "settings.url"),
        ("netlife", {"portal": "unknown"}, "settings.portal"),
    ],
)
async def test_settings_that_cannot_work_are_refused(
    sources: Sources, kind: str, given: dict[str, Any], field: str
) -> None:
    answer = await sources.post("Source", kind, **given)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)


@pytest.mark.parametrize(
    "given",
    [
        REMOTE | {"mapping": {"mail": "emial"}},
        REMOTE | {"mapping": {"mail": "email", "other": "email"}},
        REMOTE | {"url": "https://user:password@scraper.example.com"},
        REMOTE | {"url": "https://[::1]:8000"},
        REMOTE | {"url": "https://scraper.example.com:99999"},
        REMOTE | {"url": "https://scraper.example.com/?key=1"},
        REMOTE | {"mapping": {"ma\x00il": "email"}},
        REMOTE | {"secret": "two\nlines"},
        REMOTE | {"colour": "blue"},
    ],
)
async def test_settings_of_the_wrong_shape_are_refused(sources: Sources, given: dict[str, Any]) -> None:
    assert (await sources.post("Source", "api", **given)).status_code == 422
    source_id = await sources.create("Source", "api", **REMOTE)
    answer = await sources.request("PUT", f"/{source_id}", json={"settings": given})
    assert answer.status_code == 400


async def test_sources_of_another_tenant_are_not_there(
    sources: Sources, mint: TokenMint, tenant_b: UUID
) -> None:
    source_id = await sources.create("Files", "csv")
    other = Sources(sources.client, tenant_b, mint.headers(tenant_b))
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/sync")):
        kwargs = {"json": {"name": "Mine"}} if method == "PUT" else {}
        assert (await other.request(method, f"/{source_id}{path}", **kwargs)).status_code == 404
    assert (await other.request("GET")).json()["data"] == []


async def import_file(sources: Sources, text: str, **fields: str) -> httpx.Response:
    return await sources.client.post(
        f"/api/v2/contacts/{sources.tenant}/import",
        files={"file": ("contacts.csv", text.encode(), "text/csv")},
        data=fields,
        headers=sources.headers,
    )


async def test_a_file_names_its_source_and_a_new_name_makes_one(sources: Sources) -> None:
    assert (await import_file(sources, "email\na@example.com\n", source_name="Fair 2026")).status_code == 202
    (listed,) = (await sources.request("GET", params={"type": "csv"})).json()["data"]
    await sources.ended(listed["id"])
    again = await import_file(sources, "email\na@example.com\nb@example.com\n", source_name="fair 2026")
    assert again.status_code == 202
    while (await sources.ended(listed["id"]))["total"] != 2:  # noqa: ASYNC110  # until the second ended
        await asyncio.sleep(0.02)
    assert (await sources.get(listed["id"]))["contact_count"] == 2
    assert set(await sources.contacts(source_id=listed["id"])) == {"a@example.com", "b@example.com"}


async def test_a_contact_stays_with_the_source_that_brought_it_first(sources: Sources) -> None:
    first, second = await sources.create("First", "csv"), await sources.create("Second", "manual")
    await import_file(sources, "email\na@example.com\n", source_id=first)
    await sources.ended(first)
    await import_file(sources, "email,first_name\na@example.com,Ada\n", source_id=second)
    await sources.ended(second)
    contact = (await sources.contacts())["a@example.com"]
    assert (contact["source_id"], contact["first_name"]) == (first, "Ada")


async def test_a_source_is_not_deleted_while_contacts_hang_on_it(sources: Sources) -> None:
    source_id = await sources.create("Files", "csv")
    await import_file(sources, "email\na@example.com\nb@example.com\n", source_id=source_id)
    await sources.ended(source_id)
    refused = await sources.request("DELETE", f"/{source_id}")
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (409, "SOURCE_HAS_CONTACTS")
    assert error["details"] == {"contacts": 2}
    for contact in (await sources.contacts()).values():
        path = f"/api/v2/contacts/{sources.tenant}/{contact['id']}"
        assert (await sources.client.delete(path, headers=sources.headers)).status_code < 300
    assert (await sources.request("DELETE", f"/{source_id}")).status_code == 200


async def test_files_name_no_source_that_is_fetched_from(sources: Sources) -> None:
    source_id = await sources.create("Scraper", "scraper-pro", **REMOTE)
    for fields in (
        {"source_id": source_id},
        {"source_id": str(uuid4())},
        {"source_name": "Scraper"},
        {"source_id": source_id, "source_name": "Scraper"},
    ):
        assert (await import_file(sources, "email\na@example.com\n", **fields)).status_code == 400


@pytest.mark.parametrize("kind", ["csv", "manual"])
async def test_nothing_is_fetched_from_files(sources: Sources, kind: str) -> None:
    source_id = await sources.create("Files", kind)
    answer = await sources.request("POST", f"/{source_id}/sync")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "SOURCE_NOT_SYNCABLE")


async def test_only_administrators_change_sources(sources: Sources, mint: TokenMint, tenant_a: UUID) -> None:
    operator = Sources(sources.client, tenant_a, mint.headers(tenant_a, role="operator"))
    assert (await operator.post("Files", "csv")).status_code == 403
    source_id = await sources.create("Files", "csv")
    assert (await operator.request("DELETE", f"/{source_id}")).status_code == 403
