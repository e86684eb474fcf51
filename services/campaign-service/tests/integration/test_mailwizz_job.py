"""MailWizz is asked by itself, by a job for each tenant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from campaign_service.app import create_app
from campaign_service.settings import Settings
from shared.database import SimpleDatabase
from shared.utils import uuid7
from tests.simulators.mailwizz import KEY, MailWizz, delivery, running

UID = "gz674trpn64da"
EMAIL = "ann@example.com"


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings.model_copy(update={"provider_private_hosts": ["127.0.0.1"]}))


async def _sent_by_mailwizz(db: SimpleDatabase, tenant: UUID) -> UUID:
    """A campaign with one recipient, sent a moment ago."""
    campaign, contact, template = uuid7(), uuid7(), uuid7()
    async with db.tenant_tx(tenant) as tx:
        await tx.execute(
            "INSERT INTO contact (tenant_id, id, email) VALUES ($1, $2, $3)", tenant, contact, EMAIL
        )
        await tx.execute(
            "INSERT INTO template (tenant_id, id, name) VALUES ($1, $2, 'Spring')", tenant, template
        )
        await tx.execute(
            """INSERT INTO campaign (tenant_id, id, name, template_id, status, started_at, external_ref)
               VALUES ($1, $2, 'Spring', $3, 'sent', now(), $4)""",
            tenant,
            campaign,
            template,
            UID,
        )
        await tx.execute(
            """INSERT INTO campaign_recipient
                 (tenant_id, campaign_id, contact_id, email, language, state, accepted_at)
               VALUES ($1, $2, $3, $4, 'en', 'accepted', now())""",
            tenant,
            campaign,
            contact,
            EMAIL,
        )
    return campaign


async def test_every_tenants_mailwizz_is_asked(
    client: httpx.AsyncClient, app: FastAPI, db: SimpleDatabase, tenant_a: UUID, headers: dict[str, str]
) -> None:
    campaign = await _sent_by_mailwizz(db, tenant_a)
    async with running(MailWizz()) as server:
        server.add(UID, "delivery-logs", delivery(EMAIL))
        wizz = {"name": "wizz", "kind": "mailwizz", "url": server.url, "secret": KEY}
        path = f"/api/v2/sending/{tenant_a}/channels"
        answer = await client.put(path, json={"email": [wizz]}, headers=headers)
        assert answer.status_code == 200, answer.text
        async with db.system_tx() as tx:
            await app.state.runtime.jobs.enqueue(tx, "mailwizz.poll", tenant_id=None)
        while True:
            rows = await db.query(
                "SELECT state FROM campaign_recipient WHERE tenant_id = $1 AND campaign_id = $2",
                [tenant_a, campaign],
                tenant_id=tenant_a,
            )
            if rows[0]["state"] == "delivered":
                break
            await asyncio.sleep(0.05)
    assert server.requests[0] == f"/api/campaigns/{UID}/delivery-logs?page=1&per_page=100"


async def test_a_campaign_is_brought_to_mailwizz_by_itself(
    client: httpx.AsyncClient, db: SimpleDatabase, tenant_a: UUID, headers: dict[str, str]
) -> None:
    async with running(MailWizz()) as server:
        html = '<p>Hi</p><a href="{{ unsubscribe_url }}">bye</a>'
        campaign = await _start(client, db, tenant_a, headers, [_wizz(server)], html)
        await _read(client, tenant_a, headers, campaign, "external_ref")
        (uid,) = server.campaigns.sent
    assert list(server.campaigns.mails(uid)) == [EMAIL]
    assert str(campaign) in server.campaigns.sent[uid].form["name"]


async def test_lists_are_brought_up_to_date_by_themselves_also_when_the_campaign_is_over(
    client: httpx.AsyncClient, app: FastAPI, db: SimpleDatabase, tenant_a: UUID, headers: dict[str, str]
) -> None:
    async with running(MailWizz()) as server:
        html = '<p>Hi</p><a href="{{ unsubscribe_url }}">bye</a>'
        campaign = await _start(client, db, tenant_a, headers, [_wizz(server)], html)
        await _read(client, tenant_a, headers, campaign, "external_ref")
        (there,) = server.campaigns.lists.values()
        path = f"/api/v2/suppressions/{tenant_a}"
        assert (await client.post(path, json={"address": EMAIL}, headers=headers)).is_success
        await _remove_until(app, lambda: there.unsubscribed == {EMAIL})
        async with db.tenant_tx(tenant_a) as tx:
            await tx.execute("UPDATE mailwizz_campaign SET is_over = true WHERE tenant_id = $1", tenant_a)
            person = await tx.fetchval("SELECT id FROM contact WHERE tenant_id = $1", tenant_a)
        path = f"/api/v2/contacts/{tenant_a}/{person}/erase"
        assert (await client.post(path, headers=headers)).is_success
        await _remove_until(app, lambda: not there.subscribers)


async def _remove_until(app: FastAPI, is_done: Callable[[], bool]) -> None:
    """One that began too early to know may be under way."""
    while not is_done():
        async with app.state.runtime.db.system_tx() as tx:
            await app.state.runtime.jobs.enqueue(tx, "mailwizz.remove", tenant_id=None)
        await asyncio.sleep(0.2)


async def test_a_campaign_that_mailwizz_refuses_is_paused_with_the_reason(
    client: httpx.AsyncClient, db: SimpleDatabase, tenant_a: UUID, headers: dict[str, str]
) -> None:
    async with running(MailWizz()) as server:
        # It takes no campaign from which nobody can unsubscribe.
        campaign = await _start(client, db, tenant_a, headers, [_wizz(server)], "<p>For ever</p>")
        found = await _read(client, tenant_a, headers, campaign, "status_reason")
    assert found["status"] == "paused"
    assert found["status_reason"].startswith("MailWizz refused: status 422")


async def test_a_mailwizz_that_does_not_answer_holds_up_no_other(
    client: httpx.AsyncClient, db: SimpleDatabase, tenant_a: UUID, headers: dict[str, str]
) -> None:
    html = '<p>Hi</p><a href="{{ unsubscribe_url }}">bye</a>'
    silent = {"name": "silent", "kind": "mailwizz", "url": "http://127.0.0.1:9/api", "secret": KEY}
    silent |= {"sends": "campaigns"}
    waiting = await _start(client, db, tenant_a, headers, [silent], html)
    async with running(MailWizz()) as server:
        second = await _start(client, db, tenant_a, headers, [_wizz(server), silent], html)
        assert (await _read(client, tenant_a, headers, second, "external_ref"))["status"] == "sending"
    found = await _read(client, tenant_a, headers, waiting, "status_reason")
    assert found["status"] == "sending"
    assert found["status_reason"].startswith("its MailWizz does not answer: ")


async def _read(
    client: httpx.AsyncClient, tenant: UUID, headers: dict[str, str], campaign: UUID, name: str
) -> dict[str, Any]:
    """The campaign, once it has something in the field `name`."""
    while True:
        answer = await client.get(f"/api/v2/campaigns/{tenant}/{campaign}", headers=headers)
        found: dict[str, Any] = answer.json()["data"]
        if found[name] is not None:
            return found
        await asyncio.sleep(0.05)


async def _template(db: SimpleDatabase, tenant: UUID, html: str) -> UUID:
    template = uuid7()
    async with db.tenant_tx(tenant) as tx:
        await tx.execute(
            "INSERT INTO contact (tenant_id, id, email) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            tenant,
            uuid7(),
            EMAIL,
        )
        await tx.execute(
            "INSERT INTO template (tenant_id, id, name) VALUES ($1, $2, $3)", tenant, template, str(template)
        )
        await tx.execute(
            """INSERT INTO template_content (tenant_id, template_id, version, language, subject, html)
               VALUES ($1, $2, 1, 'en', 'Hi', $3)""",
            tenant,
            template,
            html,
        )
    return template


def _wizz(server: MailWizz) -> dict[str, str]:
    return {"name": "wizz", "kind": "mailwizz", "url": server.url, "secret": KEY, "sends": "campaigns"}


async def _start(
    client: httpx.AsyncClient,
    db: SimpleDatabase,
    tenant: UUID,
    headers: dict[str, str],
    providers: list[dict[str, str]],
    html: str,
) -> UUID:
    """A campaign of a tenant whose campaigns MailWizz sends."""
    path = f"/api/v2/sending/{tenant}/channels"
    assert (await client.put(path, json={"email": providers}, headers=headers)).is_success
    template = await _template(db, tenant, html)
    body = {"name": "Spring", "template_id": str(template)}
    created = await client.post("/api/v2/campaigns", json=body, headers=headers)
    assert created.status_code == 201, created.text
    campaign = created.json()["data"]["id"]
    answer = await client.post(f"/api/v2/campaigns/{tenant}/{campaign}/send", headers=headers)
    assert answer.status_code == 202, answer.text
    return UUID(campaign)
