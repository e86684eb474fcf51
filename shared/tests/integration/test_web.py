"""The app factory with a small service on it, against a real database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Self
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, Field, model_validator

from shared.config import CommonConfig
from shared.database import SimpleDatabase
from shared.errors import ConflictError, ServiceUnavailableError
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.testing.clients import service_client
from shared.testing.identities import TokenMint
from shared.testing.plugin import OpenDatabase
from shared.utils.ids import uuid7
from shared.web import (
    AdminUser,
    Idem,
    OperatorUser,
    Page,
    ServiceCaller,
    TenantPath,
    TenantTx,
    create_service_app,
)

router = APIRouter(prefix="/things", tags=["things"])


class ThingIn(BaseModel):
    name: Annotated[str, Field(max_length=20)]

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        if self.name == "refused":
            raise ValueError("a refused thing needs a reason")
        return self


@router.post("/{tenant_id}", status_code=201, responses=error_responses(401, 403, 404, 422))
async def create(tenant_id: TenantPath, body: ThingIn, user: OperatorUser, tx: TenantTx, idem: Idem) -> Any:
    async def work() -> ApiResponse[dict[str, str]]:
        await tx.execute(
            "INSERT INTO job (id, tenant_id, type, run_at, created_at)"
            " VALUES (gen_random_uuid(), $1, $2, now(), now())",
            tenant_id,
            f"thing.{body.name}",
        )
        if body.name == "slow":
            await asyncio.sleep(0.5)
        if body.name == "conflict":
            raise ConflictError("no")
        return success_response({"name": body.name})

    return await idem.run(tx, work, 201)


@router.get("/{tenant_id}")
async def list_all(tenant_id: TenantPath, tx: TenantTx, page: Page) -> ApiResponse[list[str]]:
    rows = await tx.fetch(
        "SELECT type FROM job WHERE tenant_id = $1 AND ($2::text IS NULL OR type > $2)"
        " ORDER BY type LIMIT $3",
        tenant_id,
        page.value(0),
        page.fetch_limit,
    )
    return page.respond(rows, key=lambda r: [r["type"]], convert=lambda r: str(r["type"]))


@router.get("/{tenant_id}/admin")
async def admin_only(tenant_id: TenantPath, user: AdminUser) -> ApiResponse[str]:
    return success_response(user.role)


@router.get("/{tenant_id}/fail/{how}")
async def fail(tenant_id: TenantPath, how: str, tx: TenantTx) -> ApiResponse[str]:
    if how == "busy":
        raise ServiceUnavailableError("later", retry_after=7)
    if how == "nul":
        await tx.execute("SELECT $1::text", "a\x00b")
    if how == "slow":
        await tx.execute("SELECT pg_sleep(60)")
    if how == "bug":
        raise KeyError("the secret inside")
    return success_response(how)


drawn = APIRouter()


@drawn.api_route("/drawn", methods=["GET", "HEAD"])
async def draw(request: Request) -> Response:
    return Response(headers={"X-Drawn-By": request.method})


internal = APIRouter(prefix="/internal/things", tags=["internal"])


@internal.post("/echo")
async def echo(caller: ServiceCaller, body: Annotated[dict[str, Any], Body()]) -> ApiResponse[Any]:
    return success_response({"caller": caller, "body": body})


class Service(BaseModel):
    model_config = {"arbitrary_types_allowed": True}

    http: httpx.AsyncClient
    db: SimpleDatabase
    dsn: str


@asynccontextmanager
async def running(db: SimpleDatabase, dsn: str, mint: TokenMint) -> AsyncIterator[Service]:
    config = CommonConfig(internal_service_keys="auth-service:key-one,key-two", max_body_bytes=2000)
    app = create_service_app(name="campaign-service", config=config, routers=[router, drawn, internal])
    async with service_client(app, db, mint) as http:
        yield Service(http=http, db=db, dsn=dsn)


@pytest.fixture
async def service(open_database: OpenDatabase, database_dsn: str, mint: TokenMint) -> AsyncIterator[Service]:
    async with running(await open_database("campaign"), database_dsn, mint) as started:
        yield started


async def count(service: Service) -> int:
    connection = await asyncpg.connect(service.dsn)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM campaign.job WHERE type LIKE 'thing.%'"))
    finally:
        await connection.close()


async def test_callers_are_told_apart(
    service: Service, mint: TokenMint, tenant_a: UUID, tenant_b: UUID
) -> None:
    url = f"/things/{tenant_a}"
    body = {"name": "x"}
    assert (await service.http.post(url, json=body)).status_code == 401
    assert (await service.http.post(url, json=body, headers=mint.headers(tenant_b))).status_code == 404
    assert (
        await service.http.post(url, json=body, headers=mint.headers(tenant_a, "viewer"))
    ).status_code == 403
    assert (
        await service.http.get(f"{url}/admin", headers=mint.headers(tenant_a, "operator"))
    ).status_code == 403
    made = await service.http.post(url, json=body, headers=mint.headers(tenant_a, "operator"))
    assert made.status_code == 201
    assert made.json()["data"] == {"name": "x"}
    assert await count(service) == 1


async def test_every_failure_has_the_envelope(service: Service, mint: TokenMint, tenant_a: UUID) -> None:
    headers = mint.headers(tenant_a)
    url = f"/things/{tenant_a}"
    answers = {
        401: await service.http.get(url),
        404: await service.http.get("/nowhere", headers=headers),
        405: await service.http.delete(url, headers=headers),
        503: await service.http.get(f"{url}/fail/busy", headers=headers),
        500: await service.http.get(f"{url}/fail/bug", headers=headers),
        400: await service.http.post(
            url, content=b'{"name": ', headers=headers | {"content-type": "application/json"}
        ),
        422: await service.http.post(url, json={"name": "x" * 21}, headers=headers),
        413: await service.http.post(url, content=b"x" * 2001, headers=headers),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        error = answer.json()
        assert error["success"] is False
        assert error["error"]["correlation_id"] == answer.headers["x-request-id"]
        assert error["error"]["code"]
    assert "secret" not in answers[500].text
    assert answers[503].headers["retry-after"] == "7"
    assert answers[422].json()["error"]["field"] == "name"
    assert answers[401].headers["www-authenticate"] == "Bearer"


async def test_a_statement_ends_when_the_gateway_waits_no_longer(
    service: Service, mint: TokenMint, tenant_a: UUID
) -> None:
    headers = mint.headers(tenant_a) | {"X-Internal-Patience": "100"}
    answer = await service.http.get(f"/things/{tenant_a}/fail/slow", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")


async def test_head_is_answered_where_get_is(service: Service, mint: TokenMint, tenant_a: UUID) -> None:
    headers = mint.headers(tenant_a)
    for path in ("/version", f"/things/{tenant_a}"):
        shown = await service.http.get(path, headers=headers)
        answer = await service.http.head(path, headers=headers)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"] == shown.headers["content-type"]
    assert (await service.http.head(f"/things/{tenant_a}")).status_code == 401
    assert (await service.http.head("/internal/things/echo")).status_code == 405
    drawn = await service.http.head("/drawn")
    assert (drawn.status_code, drawn.headers["x-drawn-by"]) == (200, "HEAD")


async def test_methods_of_a_path_are_told_whole(service: Service, tenant_a: UUID) -> None:
    url = f"/things/{tenant_a}"
    refused = await service.http.delete(url)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")
    assert refused.json()["error"]["code"] == "METHOD_NOT_ALLOWED"
    asked = await service.http.options(url)
    assert (asked.status_code, asked.headers["allow"], asked.content) == (204, "GET, HEAD, POST", b"")
    assert (await service.http.options("/nowhere")).status_code == 404


@pytest.mark.parametrize(
    "content", [b'{"name": "\xff"}', b"\x00", b'{"name": "\\ud800"}', b"[]", b'{"name": 1e999}']
)
async def test_bad_bytes_are_the_callers_fault(
    service: Service, mint: TokenMint, tenant_a: UUID, content: bytes
) -> None:
    headers = mint.headers(tenant_a) | {"content-type": "application/json"}
    answer = await service.http.post(f"/things/{tenant_a}", content=content, headers=headers)
    assert answer.status_code in (400, 422)
    assert answer.json()["success"] is False


async def test_refusals_say_what_to_change(service: Service, mint: TokenMint, tenant_a: UUID) -> None:
    url = f"/things/{tenant_a}"
    headers = mint.headers(tenant_a)
    reader = mint.headers(tenant_a, "viewer", knd="api_key")
    json_type = headers | {"Content-Type": "application/json"}
    answers = {
        "body: a refused thing needs a reason": await service.http.post(
            url, json={"name": "refused"}, headers=headers
        ),
        "body: A JSON object is needed here, sent as Content-Type: application/json": (
            await service.http.post(url, data={"name": "x"}, headers=headers)
        ),
        "The body cannot be read as its Content-Type says": await service.http.post(
            url, content=b'{"name": "\xff"}', headers=json_type
        ),
        "This needs an API key with the scope write": await service.http.post(
            url, json={"name": "x"}, headers=reader
        ),
    }
    assert [answer.json()["error"]["message"] for answer in answers.values()] == list(answers)
    assert [answer.json()["error"]["field"] for answer in answers.values()] == ["body", "body", "body", None]


async def test_a_text_postgres_cannot_hold_is_the_callers_fault(
    service: Service, mint: TokenMint, tenant_a: UUID
) -> None:
    headers = mint.headers(tenant_a)
    assert (await service.http.get(f"/things/{tenant_a}/fail/nul", headers=headers)).status_code == 422
    made = await service.http.post(f"/things/{tenant_a}", json={"name": "a\x00"}, headers=headers)
    assert made.status_code == 422


async def test_body_limit_counts_streamed_bytes(service: Service, mint: TokenMint, tenant_a: UUID) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b" " * 100

    answer = await service.http.post(f"/things/{tenant_a}", content=endless(), headers=mint.headers(tenant_a))
    assert answer.status_code == 413


async def test_request_ids_are_kept_when_harmless(service: Service) -> None:
    kept = await service.http.get("/health", headers={"X-Request-ID": "abc-1"})
    assert kept.headers["x-request-id"] == "abc-1"
    replaced = await service.http.get("/health", headers={b"x-request-id": "a b\u00e9".encode("latin-1")})
    assert replaced.headers["x-request-id"] not in ("", "a bé")


async def test_health_readiness_and_metrics(service: Service, mint: TokenMint) -> None:
    assert (await service.http.get("/ready")).json()["data"]["checks"]["database"] is True
    assert (await service.http.get("/version")).json()["data"]["service"] == "campaign-service"
    tenant = uuid7()
    await service.http.get("/nowhere")
    await service.http.get(f"/things/{tenant}", headers=mint.headers(tenant))
    metrics = (await service.http.get("/metrics")).text
    assert 'route="unmatched",status="404"' in metrics
    assert 'route="/things/{tenant_id}",status="200"' in metrics
    assert str(tenant) not in metrics


async def test_internal_routes_need_a_service_key(service: Service, mint: TokenMint, tenant_a: UUID) -> None:
    url = "/internal/things/echo"
    for headers in ({}, mint.headers(tenant_a), {"X-Service-Key": "key-thr"}, {"X-Service-Key": ""}):
        assert (await service.http.post(url, json={}, headers=headers)).status_code == 401
    for key in ("key-one", "key-two"):
        answer = await service.http.post(url, json={"a": 1}, headers={"X-Service-Key": key})
        assert answer.json()["data"] == {"caller": "auth-service", "body": {"a": 1}}


async def test_same_key_same_request_is_done_once(service: Service, mint: TokenMint, tenant_a: UUID) -> None:
    headers = mint.headers(tenant_a, user_id=tenant_a) | {"Idempotency-Key": "k1"}
    url = f"/things/{tenant_a}"
    first = await service.http.post(url, json={"name": "x"}, headers=headers)
    again = await service.http.post(url, json={"name": "x"}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert again.json() == first.json()
    assert await count(service) == 1
    other = await service.http.post(url, json={"name": "y"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    stranger = mint.headers(tenant_a) | {"Idempotency-Key": "k1"}
    assert (await service.http.post(url, json={"name": "x"}, headers=stranger)).status_code == 422


async def test_failed_work_frees_its_key(service: Service, mint: TokenMint, tenant_a: UUID) -> None:
    headers = mint.headers(tenant_a, user_id=tenant_a) | {"Idempotency-Key": "k2"}
    url = f"/things/{tenant_a}"
    assert (await service.http.post(url, json={"name": "conflict"}, headers=headers)).status_code == 409
    assert await count(service) == 0
    assert (await service.http.post(url, json={"name": "fine"}, headers=headers)).status_code == 201


async def test_a_second_request_while_the_first_runs_is_a_conflict(
    service: Service, mint: TokenMint, tenant_a: UUID
) -> None:
    headers = mint.headers(tenant_a, user_id=tenant_a) | {"Idempotency-Key": "k3"}
    url = f"/things/{tenant_a}"
    calls = [service.http.post(url, json={"name": "slow"}, headers=headers) for _ in range(4)]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*calls))
    assert statuses == [201, 409, 409, 409]
    assert await count(service) == 1


async def test_pages_hold_every_row_once_and_cursors_stay_in_their_list(
    service: Service, mint: TokenMint, tenant_a: UUID, tenant_b: UUID
) -> None:
    headers = mint.headers(tenant_a)
    for n in range(7):
        await service.http.post(f"/things/{tenant_a}", json={"name": f"n{n}"}, headers=headers)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await service.http.get(f"/things/{tenant_a}", params=params, headers=headers)).json()
        seen += page["data"]
        if not page["meta"]["has_more"]:
            break
        cursor = page["meta"]["next_cursor"]
    assert seen == [f"thing.n{n}" for n in range(7)]
    elsewhere = await service.http.get(
        f"/things/{tenant_b}", params={"cursor": cursor}, headers=mint.headers(tenant_b)
    )
    assert elsewhere.status_code == 400
    forged = await service.http.get(f"/things/{tenant_a}", params={"cursor": "AAAA"}, headers=headers)
    assert (forged.status_code, forged.json()["error"]["field"]) == (400, "cursor")
    assert (await service.http.get(f"/things/{tenant_a}?limit=201", headers=headers)).status_code == 422
