"""Reading sources: real requests to simulated servers, well and unwell."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from campaign_service.app import create_app
from campaign_service.settings import Settings
from shared.database import SimpleDatabase
from tests.simulators.netlife import Simulator
from tests.simulators.netlife import running as portal_running
from tests.simulators.sources import Fault, SourceServer, people, running
from tests.simulators.sources.server import Style

from .contacts_kit import Contacts
from .portal_kit import small_portal
from .sources_kit import Sources, counts

PORTAL = "nowandforeverphoto"


@pytest.fixture
async def portal() -> AsyncIterator[Simulator]:
    async with portal_running(small_portal()) as simulator:
        yield simulator


@pytest.fixture
def app(settings: Settings, portal: Simulator) -> FastAPI:
    changed = {
        "provider_private_hosts": ["127.0.0.1"],
        "source_backoff_seconds": 0.001,
        "netlife_portals": {PORTAL: portal.base_url},
    }
    return create_app(settings.model_copy(update=changed))


@pytest.fixture
def sources(client: httpx.AsyncClient, tenant_a: UUID, headers: dict[str, str]) -> Sources:
    return Sources(client, tenant_a, headers)


API = {
    "items": "result.rows",
    "next_cursor": "result.next",
    "cursor_parameter": "after",
    "limit_parameter": "per_page",
}


@pytest.mark.parametrize("style", ["scraper-pro", "backlink-engine", "api"])
async def test_every_page_is_read_and_later_only_what_is_new(sources: Sources, style: Style) -> None:
    async with running(SourceServer(style, people(250))) as server:
        special = {**API, "url": server.address + "/export/people"} if style == "api" else {}
        source_id = await sources.of(server, tags=["found"], **special)
        first = await sources.sync(source_id)
        assert (first["status"], counts(first)) == ("completed", {"total": 250, "created": 250})
        asked = len(server.requests)
        server.records += people(30, 251)
        second = await sources.sync(source_id)
        assert (second["created"], second["updated"]) == (30, 0)
        assert second["total"] <= 30 + 100, "what was read before is not read again"
        assert len(server.requests) - asked <= 2
        found = await sources.get(source_id)
        assert (found["contact_count"], server.refused) == (280, 0)
        assert found["last_sync_at"] is not None
    contact = (await sources.contacts(q="person280@"))["person280@example.com"]
    assert (contact["first_name"], contact["source_id"]) == ("P280", source_id)
    assert contact["custom_fields"]["company"] == "Company 0"
    assert [tag if isinstance(tag, str) else tag["slug"] for tag in contact["tags"]] == ["found"]


async def test_force_reads_everything_again_and_finds_it_unchanged(sources: Sources) -> None:
    async with running(SourceServer(records=people(120))) as server:
        source_id = await sources.of(server)
        await sources.sync(source_id)
        server.records[7] = server.records[7] | {"first_name": "Renamed"}
        again = await sources.sync(source_id, force=True)
        assert counts(again) == {"total": 120, "updated": 1, "unchanged": 119}


async def test_only_values_that_are_not_empty_overwrite_and_tags_are_never_removed(sources: Sources) -> None:
    before = {"email": "ada@example.com", "first_name": "Ada", "phone": "+33612345678", "tags": ["a", "b"]}
    after = {"email": "ADA@example.com", "first_name": "", "phone": None, "last_name": "L", "tags": ["c"]}
    async with running(SourceServer(records=[before | {"custom_fields": {"x": 1, "y": 2}}])) as server:
        source_id = await sources.of(server)
        await sources.sync(source_id)
        server.records = [before, after | {"custom_fields": {"y": 3, "z": {"deep": True}}}]
        await sources.sync(source_id)
    (contact,) = (await sources.contacts()).values()
    assert (contact["first_name"], contact["phone"], contact["last_name"]) == ("Ada", "+33612345678", "L")
    assert contact["custom_fields"] == {"x": "1", "y": "3", "z_deep": "true"}
    assert sorted(tag if isinstance(tag, str) else tag["slug"] for tag in contact["tags"]) == ["a", "b", "c"]


async def test_records_that_cannot_be_contacts_are_reported_with_their_place(sources: Sources) -> None:
    records: list[Any] = people(5)
    records[1] = {"email": "not an address"}
    records[2] = "text"
    records[3] = {"first_name": "\ud800 nobody"}
    async with running(SourceServer(records=records)) as server:
        source_id = await sources.of(server, page_size=2)
        report = await sources.sync(source_id)
    assert counts(report) == {"total": 5, "created": 2, "rejected": 3}
    rejected = await sources.rejections(report["import_id"])
    assert [line for line, _ in rejected] == [2, 3, 4]
    assert rejected[1][1] == "not_an_object"


async def test_of_one_address_on_a_page_the_later_record_counts(sources: Sources) -> None:
    records = [
        {"email": "ada@example.com", "first_name": "Ada", "tags": ["old"]},
        {"email": "Ada@Example.com", "first_name": "Augusta", "city": "London", "tags": ["new"]},
    ]
    async with running(SourceServer(records=records)) as server:
        report = await sources.sync(await sources.of(server))
    assert counts(report) == {"total": 2, "created": 1, "duplicate": 1}
    (contact,) = (await sources.contacts()).values()
    assert (contact["first_name"], contact["custom_fields"]) == ("Augusta", {"city": "London"})
    assert sorted(tag if isinstance(tag, str) else tag["slug"] for tag in contact["tags"]) == ["new", "old"]


async def test_a_mapping_says_which_field_is_which(sources: Sources) -> None:
    record = {"who": {"mail": "ada@example.com", "label": "Ada Lovelace"}, "score": 7, "noise": "x"}
    mapping = {"who.mail": "email", "who.label": "full_name", "score": "custom.rating", "noise": None}
    async with running(SourceServer(records=[record])) as server:
        await sources.sync(await sources.of(server, mapping=mapping))
    contact = (await sources.contacts())["ada@example.com"]
    assert (contact["first_name"], contact["last_name"]) == ("Ada", "Lovelace")
    assert contact["custom_fields"] == {"rating": "7"}


@pytest.mark.parametrize("kind", ["429", "500", "503", "html", "no-list", "cut"])
async def test_an_unwell_server_is_asked_again(sources: Sources, kind: Any) -> None:
    faults = (Fault(1, kind), Fault(3, kind, times=3))
    async with running(SourceServer(records=people(250), faults=faults)) as server:
        report = await sources.sync(await sources.of(server))
        assert (report["status"], counts(report)) == ("completed", {"total": 250, "created": 250})
        assert len(server.requests) == 3 + 4


async def test_a_failed_sync_goes_on_where_it_stopped(
    sources: Sources, db: SimpleDatabase, tenant_a: UUID
) -> None:
    async with running(SourceServer(records=people(350), faults=(Fault(3, "503", times=5),))) as server:
        source_id = await sources.of(server)
        failed = await sources.sync(source_id)
        assert (failed["status"], failed["total"]) == ("running", 200)
        assert "status 503, after 5 attempts" in failed["error"]
        async with db.tenant_tx(tenant_a) as tx:
            await tx.execute("UPDATE job SET run_at = now() - interval '1 hour', error = NULL")
        report = await sources.ended(source_id)
        assert (report["status"], counts(report)) == ("completed", {"total": 350, "created": 350})
        assert server.cursors.count("") == server.cursors.count("100") == 1, "nothing is read twice"


@pytest.mark.parametrize("kind", ["401", "302"])
async def test_a_server_that_refuses_is_not_asked_again(sources: Sources, kind: Any) -> None:
    async with running(SourceServer(records=people(5), faults=(Fault(1, kind),))) as server:
        report = await sources.sync(await sources.of(server))
        assert (report["status"], report["error"]) == ("failed", f"the source refuses: status {kind}")
        assert len(server.requests) == 1


async def test_a_wrong_secret_is_told(sources: Sources) -> None:
    async with running(SourceServer(records=people(5))) as server:
        report = await sources.sync(await sources.of(server, secret="another one"))
        assert (report["status"], server.refused) == ("failed", 1)


async def test_a_server_that_leads_in_a_circle_is_left(sources: Sources) -> None:
    async with running(SourceServer(records=people(9), circles=True)) as server:
        report = await sources.sync(await sources.of(server, page_size=1))
        assert report["status"] == "failed"
        assert "circle" in report["error"]
        assert len(server.requests) < 6


async def test_a_source_being_read_is_neither_read_twice_nor_deleted(sources: Sources) -> None:
    async with running(SourceServer(records=people(5), faults=(Fault(1, "hang"),))) as server:
        source_id = await sources.of(server)
        started = await sources.request("POST", f"/{source_id}/sync")
        assert (await sources.request("POST", f"/{source_id}/sync")).status_code == 409
        refused = await sources.request("DELETE", f"/{source_id}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "SOURCE_BUSY")
        job = f"/api/v2/jobs/{sources.tenant}/{started.json()['data']['job_id']}/cancel"
        assert (await sources.client.post(job, headers=sources.headers)).status_code < 300


async def test_a_portal_is_collected_and_its_contacts_hang_on_the_source(
    sources: Sources, portal: Simulator
) -> None:
    settings = {"portal": PORTAL, "username": portal.portal.username, "password": portal.portal.password}
    base = f"/api/v2/portals/{sources.tenant}/netlife"
    source_id = await sources.create("Portal", "netlife", portal=PORTAL, tags=["parents"])
    unknown = await sources.request("POST", f"/{source_id}/sync")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (409, "PORTAL_NOT_CONFIGURED")
    stored = await sources.client.put(f"{base}/settings", json=settings, headers=sources.headers)
    assert stored.status_code == 200
    report = await sources.sync(source_id)
    assert report["status"] == "completed"
    found = await sources.get(source_id)
    assert found["contact_count"] == report["created"] > 0


async def test_values_are_of_the_type_that_the_tenant_defined(sources: Sources) -> None:
    contacts = Contacts(sources.client, sources.tenant, sources.headers)
    await contacts.call("POST", "/fields", {"key": "score", "type": "number", "default": 1})
    await contacts.call("POST", "/fields", {"key": "since", "type": "date", "is_required": True})
    records: list[Any] = [
        {"email": "ann@example.com", "score": "7", "since": "2026-01-02"},
        {"email": "bob@example.com", "since": "2026-01-02"},
        {"email": "cleo@example.com", "score": "many", "since": "2026-01-02"},
        {"email": "dan@example.com", "score": 3},
    ]
    async with running(SourceServer("api", records)) as server:
        report = await sources.sync(await sources.of(server, **API, url=server.address + "/export/people"))
    assert counts(report) == {"total": 4, "created": 2, "rejected": 2}
    assert await sources.rejections(report["import_id"]) == [(3, "field_invalid"), (4, "field_required")]
    found = {email: row["custom_fields"] for email, row in (await sources.contacts()).items()}
    assert found == {
        "ann@example.com": {"score": 7, "since": "2026-01-02"},
        "bob@example.com": {"score": 1, "since": "2026-01-02"},
    }


async def test_what_the_people_of_a_source_agreed_to_is_on_record(sources: Sources) -> None:
    contacts = Contacts(sources.client, sources.tenant, sources.headers)
    records: list[Any] = [
        {"email": "ann@example.com", "phone": "+12025550143", "sms_marketing_consent": "yes"}
    ]
    async with running(SourceServer("scraper-pro", records)) as server:
        await sources.sync(await sources.of(server, consent={"basis": "legitimate_interest"}))
    ann = (await sources.contacts())["ann@example.com"]["id"]
    found = await contacts.call("GET", f"/{ann}/consents")
    assert {(row["channel"], row["basis"], row["source"]) for row in found} == {
        ("email", "legitimate_interest", "source From scraper-pro"),
        ("sms", "consent", "source From scraper-pro"),
    }
