"""From a photo portal straight into a campaign by SMS, with everything at work by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from campaign_service.app import create_app
from campaign_service.settings import Settings
from tests.simulators.netlife import Simulator, running
from tests.simulators.twilio import AUTH_TOKEN, SID, TwilioSimulator
from tests.simulators.twilio import running as providing

from .portal_kit import small_portal

NAME = "nowandforeverphoto"
ACCOUNT = {
    "account_sid": SID,
    "auth_token": AUTH_TOKEN,
    "numbers": [{"number": "+15005550006"}],
    "rate_per_sender": 1000,
    "quiet_hours": None,
}


@pytest.fixture
async def portal() -> AsyncIterator[Simulator]:
    async with running(small_portal()) as simulator:
        yield simulator


@pytest.fixture
async def provider() -> AsyncIterator[TwilioSimulator]:
    async with providing(TwilioSimulator()) as simulator:
        yield simulator


@pytest.fixture
def app(settings: Settings, portal: Simulator, provider: TwilioSimulator) -> FastAPI:
    outside = {"netlife_portals": {NAME: portal.base_url}, "twilio_url": provider.address}
    return create_app(settings.model_copy(update=outside))


class Studio:
    """A tenant with access to the portal."""

    def __init__(self, client: httpx.AsyncClient, tenant: UUID, headers: dict[str, str]) -> None:
        self._client, self.tenant, self._headers = client, tenant, headers

    async def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self._client.request(method, path, json=body, headers=self._headers)

    async def data(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.call(method, path, body)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    async def until(self, path: str, done: Callable[[Any], bool]) -> Any:
        while True:
            seen = await self.data("GET", path)
            if done(seen):
                return seen
            await asyncio.sleep(0.02)

    async def collected(self, **wish: Any) -> Any:
        base = f"/api/v2/portals/{self.tenant}/netlife"
        body = {"portal": NAME, "contact_filter": "phone-only", "sms_campaign": wish}
        job_id = (await self.data("POST", f"{base}/collect", body))["job_id"]
        return await self.until(f"{base}/collect/{job_id}", lambda seen: seen["finished_at"] is not None)


@pytest.fixture
async def studio(
    client: httpx.AsyncClient, portal: Simulator, tenant_a: UUID, headers: dict[str, str]
) -> Studio:
    opened = Studio(client, tenant_a, headers)
    login = {"portal": NAME, "username": portal.portal.username, "password": portal.portal.password}
    await opened.data("PUT", f"/api/v2/portals/{tenant_a}/netlife/settings", login)
    return opened


async def test_those_who_are_collected_get_a_text(studio: Studio, provider: TwilioSimulator) -> None:
    await studio.data("PUT", f"/api/v2/sending/{studio.tenant}/sms", ACCOUNT)
    found = await studio.collected(name="Portraits", send=True)
    path = f"/api/v2/campaigns/{studio.tenant}/{found['campaign_id']}"
    sent = await studio.until(path, lambda seen: seen["status"] == "sent")
    assert (sent["name"], sent["channel"]) == ("Portraits", "sms")
    contacts = await studio.data("GET", f"/api/v2/contacts/{studio.tenant}?limit=200")
    numbers = {contact["phone"]: contact for contact in contacts if contact["phone"]}
    assert sorted(text.to for text in provider.texts) == sorted(numbers)
    for text in provider.texts:
        gallery = numbers[text.to]["custom_fields"]["gallery_url"]
        assert text.body == f"Your photos are ready! {gallery} Reply STOP to end"


async def test_without_being_told_to_send_it_is_a_draft(studio: Studio, provider: TwilioSimulator) -> None:
    await studio.data("PUT", f"/api/v2/sending/{studio.tenant}/sms", ACCOUNT)
    found = await studio.collected(sms_text="Hi {{ first_name }}", exclude_tags=[])
    imported = f"/api/v2/contacts/{studio.tenant}/imports/{found['import_id']}"
    await studio.until(imported, lambda seen: seen["status"] == "completed")
    path = f"/api/v2/campaigns/{studio.tenant}/{found['campaign_id']}"
    draft = await studio.data("GET", path)
    assert (draft["status"], draft["sms_text"]) == ("draft", "Hi {{ first_name }}")
    assert draft["name"].startswith(NAME)
    audience = await studio.data("GET", f"{path}/audience")
    assert audience["count"] > 0
    assert provider.texts == []


async def test_what_keeps_it_from_starting_is_said_on_the_draft(studio: Studio) -> None:
    found = await studio.collected(send=True)
    path = f"/api/v2/campaigns/{studio.tenant}/{found['campaign_id']}"
    draft = await studio.until(path, lambda seen: seen["status_reason"] is not None)
    assert draft["status"] == "draft"
    assert draft["status_reason"] == "could not start: There is no SMS account with a number to send from"


async def test_a_text_that_cannot_be_read_is_refused_before_anything_is_collected(studio: Studio) -> None:
    base = f"/api/v2/portals/{studio.tenant}/netlife/collect"
    body = {"portal": NAME, "sms_campaign": {"sms_text": "Hi {{ first_name"}}
    assert (await studio.call("POST", base, body)).status_code == 400
    assert await studio.data("GET", base) == []


async def test_who_is_left_out_is_known_before_anything_is_collected(studio: Studio) -> None:
    base = f"/api/v2/portals/{studio.tenant}/netlife/collect"
    body = {"portal": NAME, "sms_campaign": {"exclude_tags": ["nobodys"]}}
    refused = await studio.call("POST", base, body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "UNKNOWN_TAGS")
    assert await studio.data("GET", base) == []
    # A tag that the portal's first collection brings with it is fine.
    found = await studio.collected(exclude_tags=["buyer"])
    campaign = await studio.data("GET", f"/api/v2/campaigns/{studio.tenant}/{found['campaign_id']}")
    assert campaign["exclude_tags"] == ["buyer"]
