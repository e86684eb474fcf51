"""Live progress as server-sent events, over the service's own routes."""

import asyncio
import json
import time
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from campaign_service.app import create_app
from campaign_service.live.stream import open_streams
from campaign_service.settings import Settings
from shared.database import SimpleDatabase
from shared.testing import TokenMint

Event = tuple[str, str, dict[str, Any]]


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    changed = {"live_seconds": 0.02, "live_per_tenant": 2, "service_role": "api"}
    return create_app(settings.model_copy(update=changed))


def events(text: str) -> list[Event]:
    """Name, id and data of the events of a stream."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], fields["id"], json.loads(fields["data"])))
    return found


class Jobs:
    """A job whose row the tests move on by hand, and its stream."""

    def __init__(self, client: httpx.AsyncClient, app: FastAPI, db: SimpleDatabase, tenant: UUID) -> None:
        self.client = client
        self.db = db
        self.tenant = tenant
        self.rt = app.state.runtime
        self.id = UUID(int=0)

    async def enqueue(self) -> None:
        async with self.db.tenant_tx(self.tenant) as tx:
            enqueued = await self.rt.jobs.enqueue(tx, "contacts.import", {}, tenant_id=self.tenant)
        self.id = enqueued.id

    async def move(self, **values: Any) -> None:
        async with self.db.tenant_tx(self.tenant) as tx:
            for name, value in values.items():
                await tx.execute(f"UPDATE job SET {name} = $2 WHERE id = $1", self.id, value)

    async def stream(self, headers: dict[str, str]) -> httpx.Response:
        return await self.client.get(f"/api/v2/jobs/{self.tenant}/{self.id}/stream", headers=headers)

    async def opened(self, number: int = 1) -> None:
        while open_streams(self.rt)[self.tenant] != number:  # noqa: ASYNC110  # until the requests are there
            await asyncio.sleep(0.01)


@pytest.fixture
async def jobs(client: httpx.AsyncClient, app: FastAPI, db: SimpleDatabase, tenant_a: UUID) -> Jobs:
    opened = Jobs(client, app, db, tenant_a)
    await opened.enqueue()
    return opened


async def test_a_job_is_told_whenever_it_changes_until_it_ends(jobs: Jobs, headers: dict[str, str]) -> None:
    watching = asyncio.create_task(jobs.stream(headers))
    await jobs.opened()
    await asyncio.sleep(0.1)
    await jobs.move(progress={"done": 5, "total": 9})
    await asyncio.sleep(0.1)
    await jobs.move(status="cancelled")
    answer = await watching
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events(answer.text)
    assert [name for name, _, _ in told] == ["progress", "progress", "progress", "end"]
    assert [data["progress"] for _, _, data in told[:2]] == [{}, {"done": 5, "total": 9}]
    assert told[2][2]["status"] == "cancelled"
    assert told[3][2] == {"reason": "over"}
    await jobs.opened(0)


async def test_a_state_that_is_known_is_not_told_again(jobs: Jobs, headers: dict[str, str]) -> None:
    await jobs.move(status="cancelled")
    first = events((await jobs.stream(headers)).text)
    again = events((await jobs.stream(headers | {"Last-Event-ID": first[0][1]})).text)
    assert ([name for name, _, _ in first], [name for name, _, _ in again]) == (["progress", "end"], ["end"])


async def test_a_stream_ends_with_its_token(jobs: Jobs, mint: TokenMint, tenant_a: UUID) -> None:
    answer = await jobs.stream(mint.headers(tenant_a, exp=int(time.time()) + 1))
    assert events(answer.text)[-1][2] == {"reason": "token"}


async def test_a_tenant_has_only_so_many_streams(
    jobs: Jobs, headers: dict[str, str], mint: TokenMint, tenant_b: UUID
) -> None:
    watching = [asyncio.create_task(jobs.stream(headers)) for _ in range(2)]
    await jobs.opened(2)
    refused = await jobs.stream(headers)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
    await jobs.move(status="cancelled")
    await asyncio.gather(*watching)
    assert (await jobs.stream(headers)).status_code == 200


async def test_what_is_not_there_has_no_stream(
    jobs: Jobs, headers: dict[str, str], mint: TokenMint, tenant_b: UUID
) -> None:
    assert (await jobs.stream(mint.headers(tenant_b))).status_code == 404
    jobs.id = uuid4()
    assert (await jobs.stream(headers)).status_code == 404
    campaign = f"/api/v2/campaigns/{jobs.tenant}/{uuid4()}/progress/stream"
    assert (await jobs.client.get(campaign, headers=headers)).status_code == 404
    assert open_streams(jobs.rt).total() == 0


async def test_a_campaign_that_waits_for_somebody_is_told_once(jobs: Jobs, headers: dict[str, str]) -> None:
    template = {"name": "T", "contents": {"en": {"subject": "S", "html": "<p>H</p>"}}}
    made = await jobs.client.post("/api/v2/templates", json=template, headers=headers)
    assert made.status_code == 201, made.text
    body = {"name": "C", "template_id": made.json()["data"]["id"]}
    campaign = await jobs.client.post("/api/v2/campaigns", json=body, headers=headers)
    campaign_id = campaign.json()["data"]["id"]
    path = f"/api/v2/campaigns/{jobs.tenant}/{campaign_id}/progress/stream"
    told = events((await jobs.client.get(path, headers=headers)).text)
    assert [name for name, _, _ in told] == ["progress", "end"]
    assert (told[0][2]["campaign_id"], told[0][2]["status"]) == (campaign_id, "draft")
