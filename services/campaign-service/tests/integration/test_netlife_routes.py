"""Portals of a tenant over HTTP: credentials, collections and the contacts they bring."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from campaign_service.app import create_app
from campaign_service.netlife import repository
from campaign_service.settings import Settings
from shared.database import SimpleDatabase
from shared.testing import TokenMint
from tests.simulators.netlife import Faults, Script, Simulator, expected_rows, running

from .portal_kit import read_csv, small_portal

NAME = "nowandforeverphoto"


@pytest.fixture
async def portal() -> AsyncIterator[Simulator]:
    async with running(small_portal()) as simulator:
        yield simulator


@pytest.fixture
def app(settings: Settings, portal: Simulator) -> FastAPI:
    # What is known may be said to be elsewhere: the same name, at the simulator.
    return create_app(settings.model_copy(update={"netlife_portals": {NAME: portal.base_url}}))


class Portals:
    """The endpoints as one caller uses them."""

    def __init__(self, client: httpx.AsyncClient, tenant: UUID, headers: dict[str, str]) -> None:
        self.client = client
        self.base = f"/api/v2/portals/{tenant}/netlife"
        self.headers = headers

    async def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        kwargs.setdefault("headers", self.headers)
        return await self.client.request(method, self.base + path, **kwargs)

    async def configure(self, simulator: Simulator, **changed: str) -> httpx.Response:
        given = {"username": simulator.portal.username, "password": simulator.portal.password}
        return await self.request("PUT", "/settings", json={"portal": NAME, **given, **changed})

    async def collect(self, **body: Any) -> dict[str, Any]:
        """The collection, once it has ended."""
        answer = await self.request("POST", "/collect", json={"portal": NAME, **body})
        while answer.status_code == 409 and answer.json()["error"]["code"] == "JOB_ALREADY_ACTIVE":
            # The job of the one before has told its result, and is about to end.
            await asyncio.sleep(0.02)
            answer = await self.request("POST", "/collect", json={"portal": NAME, **body})
        assert answer.status_code == 202, answer.text
        return await self.ended(answer.json()["data"]["job_id"])

    async def ended(self, job_id: str) -> dict[str, Any]:
        while True:
            found: dict[str, Any] = (await self.request("GET", f"/collect/{job_id}")).json()["data"]
            if found["status"] not in ("pending", "running") or found["error"]:
                return found
            await asyncio.sleep(0.02)


@pytest.fixture
async def portals(
    client: httpx.AsyncClient, portal: Simulator, tenant_a: UUID, headers: dict[str, str]
) -> Portals:
    return Portals(client, tenant_a, headers)


async def test_credentials_are_stored_sealed_and_never_given_out(
    portals: Portals, portal: Simulator, db: SimpleDatabase, tenant_a: UUID
) -> None:
    stored = await portals.configure(portal, access_key_path="access_keys")
    assert stored.status_code == 200
    listed = await portals.request("GET", "/settings")
    (row,) = listed.json()["data"]
    assert row | {"created_at": "", "updated_at": ""} == {
        "portal": NAME,
        "brand": "Generations",
        "access_key_path": "access_keys",
        "has_credentials": True,
        "created_at": "",
        "updated_at": "",
    }
    (sealed,) = await db.query("SELECT credentials FROM netlife_portal", tenant_id=tenant_a)
    said = stored.text.encode() + listed.content + sealed["credentials"]
    assert portal.portal.password.encode() not in said
    assert portal.portal.username.encode() not in said


async def test_another_tenants_sealed_credentials_cannot_be_opened(
    portals: Portals, portal: Simulator, db: SimpleDatabase, mint: TokenMint, tenant_a: UUID, tenant_b: UUID
) -> None:
    await portals.configure(portal)
    (row,) = await db.query("SELECT * FROM netlife_portal", tenant_id=tenant_a)
    async with db.tenant_tx(tenant_b) as tx:
        await repository.put_portal(tx, tenant_b, NAME, row["credentials"], "accesskeys", tenant_b)
    other = Portals(portals.client, tenant_b, mint.headers(tenant_b))
    answer = await other.request("POST", "/settings/test", json={"portal": NAME})
    assert answer.status_code == 500
    assert portal.requests == []


async def test_stored_credentials_can_be_tried(portals: Portals, portal: Simulator) -> None:
    await portals.configure(portal)
    answer = await portals.request("POST", "/settings/test", json={"portal": NAME})
    assert answer.json()["data"] == {"portal": NAME, "ok": True}
    await portals.configure(portal, password="wrong")
    answer = await portals.request("POST", "/settings/test", json={"portal": NAME})
    assert answer.json()["data"]["ok"] is False


async def test_settings_are_for_admins_and_collecting_for_operators(
    portals: Portals, portal: Simulator, mint: TokenMint, tenant_a: UUID
) -> None:
    operator, viewer = mint.headers(tenant_a, "operator"), mint.headers(tenant_a, "viewer")
    for method, path in (("GET", "/settings"), ("DELETE", "/settings"), ("PUT", "/settings")):
        answer = await portals.request(method, path, headers=operator)
        assert answer.status_code == 403, path
    await portals.configure(portal)
    refused = await portals.request("POST", "/collect", json={"portal": NAME}, headers=viewer)
    assert refused.status_code == 403
    found = await portals.collect()
    csv = await portals.request("GET", f"/{found['id']}/contacts.csv", headers=viewer)
    assert csv.status_code == 403


@pytest.mark.parametrize(
    "changed",
    [{"portal": "unheard-of"}, {"portal": "https://evil.example.net"}, {"password": ""}, {"base_url": "x"}],
)
async def test_only_known_portals_are_taken(
    portals: Portals, portal: Simulator, changed: dict[str, str]
) -> None:
    assert (await portals.configure(portal, **changed)).status_code in (400, 422)


async def test_deleted_credentials_are_gone(portals: Portals, portal: Simulator) -> None:
    await portals.configure(portal)
    gone = await portals.request("DELETE", "/settings", params={"portal": NAME})
    assert gone.json()["data"] == {"deleted": [NAME]}
    assert (await portals.request("DELETE", "/settings")).status_code == 404
    answer = await portals.request("POST", "/collect", json={"portal": NAME})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "PORTAL_NOT_CONFIGURED")


async def test_a_portal_is_collected_and_handed_out_as_csv(portals: Portals, portal: Simulator) -> None:
    await portals.configure(portal)
    found = await portals.collect()
    expected = expected_rows(portal.portal, portal.address)
    assert (found["status"], found["contacts"], found["failures"]) == ("completed", len(expected), [])
    assert found["statistics"]["subjects_total"] == 40
    assert found["skipped"]["no_images"] > 0
    for path in (f"/collect/{found['id']}/contacts.csv", f"/{found['id']}/contacts.csv"):
        csv = await portals.request("GET", path)
        assert csv.headers["content-type"] == "text/csv; charset=utf-8"
        assert read_csv(csv.content.decode()) == expected
    (listed,) = (await portals.request("GET", "/collect")).json()["data"]
    assert listed["id"] == found["id"]


async def test_a_portal_is_collected_by_one_job_at_a_time(portals: Portals, portal: Simulator) -> None:
    await portals.configure(portal)
    portal.latency = 0.1
    first = await portals.request("POST", "/collect", json={"portal": NAME})
    second = await portals.request("POST", "/collect", json={"portal": NAME})
    assert (second.status_code, second.json()["error"]["code"]) == (409, "JOB_ALREADY_ACTIVE")
    job_id = first.json()["data"]["job_id"]
    early = await portals.request("GET", f"/{job_id}/contacts.csv")
    assert (early.status_code, early.json()["error"]["code"]) == (409, "COLLECTION_NOT_READY")
    portal.latency = 0
    assert (await portals.ended(job_id))["status"] == "completed"


async def test_a_collection_can_be_cancelled(
    portals: Portals, portal: Simulator, tenant_a: UUID, headers: dict[str, str]
) -> None:
    await portals.configure(portal)
    portal.latency = 0.1
    started = await portals.request("POST", "/collect", json={"portal": NAME})
    job_id = started.json()["data"]["job_id"]
    while True:
        if portal.requests:
            break
        await asyncio.sleep(0.02)
    answer = await portals.client.post(f"/api/v2/jobs/{tenant_a}/{job_id}/cancel", headers=headers)
    assert answer.status_code == 200
    assert (await portals.ended(job_id))["status"] == "cancelled"
    assert (await portals.request("GET", f"/{job_id}/contacts.csv")).status_code == 409


async def test_refused_credentials_fail_for_good(portals: Portals, portal: Simulator) -> None:
    await portals.configure(portal, password="wrong")
    found = await portals.collect()
    assert found["status"] == "failed"
    assert found["error"].endswith("status 401")
    assert len(portal.requests) == 1


async def test_a_part_that_is_missing_is_tried_again_or_left_out(portals: Portals, portal: Simulator) -> None:
    await portals.configure(portal)
    lost, kept = portal.portal.jobs
    portal.faults = Faults(scripts=(Script(f"jobs/{lost.uuid}$", "404", times=0),))
    partial = await portals.collect(allow_partial=True)
    assert partial["status"] == "completed"
    assert len(partial["failures"]) == 1
    csv = await portals.request("GET", f"/{partial['id']}/contacts.csv")
    assert {row["job_uuid"] for row in read_csv(csv.text)} == {kept.uuid}
    waiting = await portals.collect()
    assert waiting["status"] == "pending"
    assert "1 could not be read" in waiting["error"]
    assert lost.uuid not in waiting["error"]


async def test_what_was_collected_becomes_contacts_with_tags_and_consent(
    portals: Portals, portal: Simulator, tenant_a: UUID
) -> None:
    await portals.configure(portal)
    wish = {"tags": ["fall-2026"], "default_language": "en"}
    found = await portals.collect(contact_filter="email-only", import_contacts=wish)
    await _imported(portals, tenant_a, found["import_id"])
    rows = read_csv((await portals.request("GET", f"/{found['id']}/contacts.csv")).text)
    emails = {row["email"]: row for row in reversed(rows)}
    answer = await portals.client.get(
        f"/api/v2/contacts/{tenant_a}", params={"tag": "fall-2026", "limit": 200}, headers=portals.headers
    )
    contacts = {contact["email"]: contact for contact in answer.json()["data"]}
    assert set(contacts) == set(emails)
    for email, contact in contacts.items():
        row, custom = emails[email], contact["custom_fields"]
        assert custom["sms_marketing_consent"] == custom["sms_transactional_consent"] == "SUBSCRIBE"
        assert custom["consent_source"] == f"netlife:{NAME}"
        assert custom["gallery_url"] == row["custom_gallery_url"]
        assert custom["sms_marketing_timestamp"] == row["sms_marketing_timestamp"]
        assert contact["tags"] == sorted(["fall-2026", "buyer" if row["buyer"] == "Yes" else "non-buyer"])
    assert any(contact["phone"].startswith("+1") for contact in contacts.values() if contact["phone"])
    somebody = next(iter(contacts.values()))["id"]
    await portals.client.post(f"/api/v2/contacts/{tenant_a}/{somebody}/erase", headers=portals.headers)
    while True:
        csv = await portals.request("GET", f"/{found['id']}/contacts.csv")
        if csv.status_code == 404:
            break
        await asyncio.sleep(0.02)
    assert "erased" in csv.json()["error"]["message"]


async def _imported(portals: Portals, tenant: UUID, import_id: str) -> dict[str, Any]:
    while True:
        answer = await portals.client.get(
            f"/api/v2/contacts/{tenant}/imports/{import_id}", headers=portals.headers
        )
        found: dict[str, Any] = answer.json()["data"]
        if found["status"] not in ("pending", "running"):
            assert found["status"] == "completed", found
            return found
        await asyncio.sleep(0.02)


async def test_old_collections_are_deleted(
    portals: Portals, portal: Simulator, db: SimpleDatabase, app: FastAPI, tenant_a: UUID
) -> None:
    await portals.configure(portal)
    old, new = await portals.collect(), await portals.collect()
    async with db.tenant_tx(tenant_a) as tx:
        await tx.execute(
            "UPDATE netlife_collection SET created_at = now() - interval '31 days' WHERE id = $1",
            UUID(old["id"]),
        )
    rt = app.state.runtime
    async with db.system_tx() as tx:
        await rt.jobs.enqueue(tx, "netlife.sweep", tenant_id=None)
    while True:
        if (await portals.request("GET", f"/collect/{old['id']}")).status_code == 404:
            break
        await asyncio.sleep(0.02)
    assert (await portals.request("GET", f"/{old['id']}/contacts.csv")).status_code == 404
    assert (await portals.request("GET", f"/{new['id']}/contacts.csv")).status_code == 200


async def test_addresses_of_portals_are_checked_at_the_start(settings: Settings) -> None:
    with pytest.raises(ValueError, match="https://"):
        Settings.model_validate(
            settings.model_dump() | {"netlife_portals": {"x": "http://photos.example.com"}}
        )


async def test_a_collection_is_seen_by_its_tenant_alone(
    portals: Portals, portal: Simulator, mint: TokenMint, tenant_b: UUID
) -> None:
    await portals.configure(portal)
    found = await portals.collect()
    other = Portals(portals.client, tenant_b, mint.headers(tenant_b))
    assert (await other.request("GET", f"/{found['id']}/contacts.csv")).status_code == 404
    assert (await other.request("GET", "/collect")).json()["data"] == []
    assert (await other.request("GET", "/settings")).json()["data"] == []
