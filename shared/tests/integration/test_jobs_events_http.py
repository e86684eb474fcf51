"""Jobs and dead letters through HTTP, on an app with one job and one consumer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.config import CommonConfig
from shared.database import SimpleDatabase
from shared.errors import PermanentError
from shared.events import Consumer, MessageContext
from shared.jobs import JobContext, job, jobs_router
from shared.models import Role
from shared.testing.clients import service_client
from shared.testing.identities import TokenMint
from shared.testing.plugin import OpenDatabase
from shared.web import OperatorUser, RuntimeDep, TenantTx, create_service_app

KEY = "key of the gateway in this test"
SERVICE = {"X-Service-Key": KEY}


@job("test.fail", max_attempts=1)
async def fail(ctx: JobContext) -> None:
    await ctx.log("about to fail")
    raise PermanentError("as told")


async def refuse(_: MessageContext) -> None:
    raise PermanentError("not wanted")


def make_app() -> Any:
    router = jobs_router("/api/v2/jobs/{tenant_id}")
    plain = jobs_router("/batch-jobs")

    @plain.post("")
    async def begin(user: OperatorUser, tx: TenantTx, runtime: RuntimeDep) -> dict[str, str]:
        queued = await runtime.jobs.enqueue(tx, "test.fail", tenant_id=user.tenant_id)
        return {"id": str(queued.id)}

    config = CommonConfig(internal_service_keys=f"webhook-gateway:{KEY}")
    consumers = [Consumer("refuser", ["job.failed_permanently.v1"], refuse)]
    return create_service_app(
        name="campaign-service", config=config, routers=[router, plain], jobs=[fail], consumers=consumers
    )


@pytest.fixture
async def db(open_database: OpenDatabase) -> SimpleDatabase:
    return await open_database("campaign", 8)


@pytest.fixture
async def client(db: SimpleDatabase, mint: TokenMint) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(make_app(), db, mint) as client:
        yield client


async def until(client: httpx.AsyncClient, path: str, headers: dict[str, str], check: Any) -> Any:
    async with asyncio.timeout(30):
        while True:
            data = (await client.get(path, headers=headers)).json()["data"]
            if check(data):
                return data
            await asyncio.sleep(0.05)


def bearer(mint: TokenMint, tenant: UUID, role: Role = "operator") -> dict[str, str]:
    return {"Authorization": f"Bearer {mint.token(tenant, role)}"}


async def test_job_is_followed_and_requeued_and_its_failure_becomes_a_dead_letter(
    client: httpx.AsyncClient, mint: TokenMint, tenant_a: UUID
) -> None:
    headers = bearer(mint, tenant_a)
    job_id = (await client.post("/batch-jobs", headers=headers)).json()["id"]
    path = f"/api/v2/jobs/{tenant_a}"
    done = await until(client, f"{path}/{job_id}", headers, lambda one: one["status"] == "failed_permanent")
    assert (done["error"], done["attempt"], "payload" in done) == ("PermanentError: as told", 1, False)
    (line,) = (await client.get(f"{path}/{job_id}/logs", headers=headers)).json()["data"]
    assert (line["seq"], line["line"]) == (1, "about to fail")
    listed = (await client.get("/batch-jobs?status=failed_permanent", headers=headers)).json()
    assert [one["id"] for one in listed["data"]] == [job_id]
    assert (await client.post(f"{path}/{job_id}/cancel", headers=headers)).status_code == 409

    dead = "/internal/events/dead-letters"
    (letter,) = await until(client, dead, SERVICE, len)
    assert letter["event"]["data"]["job_id"] == job_id
    assert letter["consumer"] == "campaign-service.refuser"
    replayed = await client.post(f"{dead}/{letter['id']}/replay", headers=SERVICE)
    assert replayed.json()["data"] == {"replayed": 1}

    metrics = (await client.get("/metrics")).text
    assert 'tidings_job_attempts_total{outcome="failed_permanent",type="test.fail"}' in metrics
    assert 'tidings_events_handled_total{consumer="refuser",outcome="giveup"}' in metrics
    assert (await client.post(f"{path}/{job_id}/requeue", headers=headers)).json()["data"]["attempt"] == 0


async def test_pages_of_jobs_join_without_gap_or_repeat(
    client: httpx.AsyncClient, mint: TokenMint, tenant_a: UUID
) -> None:
    headers = bearer(mint, tenant_a)
    made = [(await client.post("/batch-jobs", headers=headers)).json()["id"] for _ in range(5)]
    found: list[str] = []
    cursor = ""
    while True:
        answer = (await client.get(f"/batch-jobs?limit=2{cursor}", headers=headers)).json()
        found += [one["id"] for one in answer["data"]]
        if not answer["meta"]["has_more"]:
            break
        cursor = f"&cursor={answer['meta']['next_cursor']}"
    assert found == made[::-1]


async def test_other_tenants_and_lower_roles_are_kept_out(
    client: httpx.AsyncClient, mint: TokenMint, tenant_a: UUID, tenant_b: UUID
) -> None:
    job_id = (await client.post("/batch-jobs", headers=bearer(mint, tenant_a))).json()["id"]
    stranger = bearer(mint, tenant_b)
    for path in (f"/api/v2/jobs/{tenant_a}", f"/api/v2/jobs/{tenant_a}/{job_id}", f"/batch-jobs/{job_id}"):
        assert (await client.get(path, headers=stranger)).status_code == 404
    for action in ("cancel", "requeue"):
        answer = await client.post(f"/batch-jobs/{job_id}/{action}", headers=stranger)
        assert answer.status_code == 404
        viewer = bearer(mint, tenant_a, "viewer")
        assert (await client.post(f"/batch-jobs/{job_id}/{action}", headers=viewer)).status_code == 403
    assert (await client.get("/batch-jobs", headers=stranger)).json()["data"] == []


async def test_dead_letters_need_a_service_key(client: httpx.AsyncClient) -> None:
    path = "/internal/events/dead-letters"
    assert (await client.get(path)).status_code == 401
    assert (await client.post(f"{path}/{uuid4()}/replay", headers={"X-Service-Key": "x"})).status_code == 401
    assert (await client.post(f"{path}/{uuid4()}/replay", headers=SERVICE)).status_code == 404
    assert (await client.get(f"{path}?consumer=nobody", headers=SERVICE)).status_code == 404
