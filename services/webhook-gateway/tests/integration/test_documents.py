"""The merged API document, its pages, health, CORS and metrics."""

from __future__ import annotations

import json
from typing import Any

import pytest

from webhook_gateway.documents.merge import merge

from .support import FakeServices, Gateway, StartGateway


def document(paths: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    return {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}}


def operation(schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"get": {"tags": ["x"], "responses": {"200": {"description": "", "content": content}}}}


def merged(*parts: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return merge(
        dict(parts),
        is_reachable=lambda service, path: not path.startswith("/internal"),
        is_public=lambda method, path: path == "/open",
        door_answers=lambda method, path: {"200": "no", "429": "Too many requests"},
        public_url="http://x.test",
        extra_paths={},
        extra_schemes={},
    )


def test_clashing_schemas_keep_their_content_under_two_names() -> None:
    one = document({"/a": operation("Item")}, {"Item": {"type": "string"}, "Same": {"type": "null"}})
    two = document(
        {"/b": operation("Item"), "/c": operation("Same")},
        {
            "Item": {"$ref": "#/components/schemas/Part"},
            "Part": {"type": "integer"},
            "Same": {"type": "null"},
        },
    )

    result = merged(("auth-service", one), ("campaign-service", two))

    schemas = result["components"]["schemas"]
    assert schemas["Item"] == {"type": "string"}
    assert schemas["Campaign_Item"] == {"$ref": "#/components/schemas/Part"}
    assert set(schemas) == {"Item", "Campaign_Item", "Part", "Same"}
    content = result["paths"]["/b"]["get"]["responses"]["200"]["content"]
    assert content["application/json"]["schema"]["$ref"] == "#/components/schemas/Campaign_Item"


def test_internal_paths_and_their_schemas_are_left_out() -> None:
    part = document(
        {"/internal/a": operation("Secret"), "/open": operation("Item")}, {"Secret": {}, "Item": {}}
    )

    result = merged(("auth-service", part))

    assert set(result["paths"]) == {"/open"}
    assert set(result["components"]["schemas"]) == {"Item"}
    assert result["paths"]["/open"]["get"]["security"] == []


def test_operations_have_ids_of_their_own_and_the_answers_of_the_door() -> None:
    first, second = operation("Item"), operation("Item")
    for item in (first, second):
        item["get"]["operationId"] = "jobs.list_jobs"
        item["head"] = {**item["get"], "operationId": "jobs.head"}
    one, two = document({"/a": first}, {"Item": {}}), document({"/b": second}, {"Item": {}})

    paths = merged(("auth-service", one), ("code-service", two))["paths"]

    assert paths["/a"]["get"]["operationId"] == "jobs.list_jobs"
    assert paths["/b"]["get"]["operationId"] == "code.jobs.list_jobs"
    assert paths["/b"]["head"]["operationId"] == "code.jobs.head"
    assert first["get"]["responses"].keys() == {"200"}
    responses = paths["/a"]["get"]["responses"]
    assert responses["429"] == {"description": "Too many requests"}
    assert responses["200"] == first["get"]["responses"]["200"]


async def test_document_holds_all_services_and_only_what_is_routed(
    gateway: Gateway, services: FakeServices
) -> None:
    services.openapi = document(
        {
            "/auth/me": operation("Me"),
            "/api/v2/tags": operation("Me"),
            "/internal/users": operation("Me"),
            "/t/o/{token}": operation("Me"),
            "/links/{short_id}/redirect": operation("Me"),
        },
        {"Me": {"type": "object"}},
    )

    answer = await gateway.http.get("/openapi.json")

    paths = answer.json()["paths"]
    assert {"/auth/me", "/api/v2/tags", "/webhook-sources", "/hooks/{token}"} <= set(paths)
    assert not [path for path in paths if path.startswith("/internal") or path == "/metrics"]
    assert paths["/auth/me"]["get"]["security"] == [{"bearer": []}, {"apiKey": []}]
    assert paths["/hooks/{token}"]["post"]["security"] == []
    assert paths["/links/{short_id}/redirect"]["get"]["security"] == []
    assert set(paths["/auth/me"]["get"]["responses"]) == {"200", "401", "429", "502", "503", "504"}
    for path in ("/t/o/{token}", "/links/{short_id}/redirect"):
        assert set(paths[path]["get"]["responses"]) == {"200", "502", "503", "504"}


async def test_document_is_there_while_services_are_not(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AUTH", "CAMPAIGN", "CODE", "PROPERTY"):
        monkeypatch.setenv(f"{name}_SERVICE_URL", "http://127.0.0.1:9")
    gateway = await start_gateway()

    answer = await gateway.http.get("/openapi.json")
    health = (await gateway.http.get("/health")).json()["data"]

    assert "/webhook-events" in answer.json()["paths"]
    assert health["status"] == "degraded"
    assert health["services"] == {
        "auth-service": "unreachable",
        "campaign-service": "unreachable",
        "code-service": "unreachable",
        "property-service": "unreachable",
    }
    assert health["checks"] == {"database": True}


async def test_pages_need_nothing_from_elsewhere(gateway: Gateway) -> None:
    for path in ("/docs", "/redoc", "/docs/reference.js", "/docs/reference.css"):
        answer = await gateway.http.get(path)
        assert answer.status_code == 200
        assert "https://" not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_open_paths_answer_get_only(gateway: Gateway) -> None:
    for path in ("/health", "/ready", "/version", "/docs", "/openapi.json"):
        assert (await gateway.http.get(path)).status_code == 200, path
        assert (await gateway.http.post(path)).status_code == 405, path
    assert (await gateway.http.get("/health/x")).status_code == 404


async def test_metrics_are_for_their_readers_only(start_gateway: StartGateway) -> None:
    near = await start_gateway()
    far = await start_gateway(metrics_networks="192.0.2.0/24")
    await near.http.get("/t/o/x")

    metrics = await near.http.get("/metrics")

    assert 'tidings_http_requests_total{method="GET",route="/t",status="200"} 1.0' in metrics.text
    assert (await far.http.get("/metrics")).status_code == 403


async def test_cors_is_on_answers_and_errors_of_listed_origins(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(cors_origins=["https://app.example.com"])
    listed, other = {"Origin": "https://app.example.com"}, {"Origin": "https://evil.example.com"}
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}

    preflight = await gateway.http.options("/api/v2/contacts", headers={**listed, **ask})
    refused = await gateway.http.options("/api/v2/contacts", headers={**other, **ask})
    error = await gateway.http.get("/api/v2/contacts", headers=listed)
    own = await gateway.http.get("/webhook-sources", headers=listed)

    assert preflight.status_code == 204
    assert "x-api-key" in preflight.headers["access-control-allow-headers"]
    assert "access-control-allow-origin" not in refused.headers
    for answer in (preflight, error, own):
        assert answer.headers.get_list("access-control-allow-origin") == ["https://app.example.com"]
    assert error.status_code == 401
    without = await gateway.http.get("/api/v2/contacts")
    for answer in (preflight, refused, error, own, without):
        assert answer.headers.get_list("vary") == ["origin"]


async def test_errors_of_the_door_and_of_the_services_look_alike(
    gateway: Gateway, auth: dict[str, str]
) -> None:
    of_door = await gateway.http.get("/webhook-sources")
    of_service = await gateway.http.get(f"/webhook-sources/{'0' * 8}-0000-7000-8000-{'0' * 12}", headers=auth)
    broken = await gateway.raw(b"\x16\x03\r\n\r\n")

    shapes = [answer.json() for answer in (of_door, of_service)]
    shapes.append(json.loads(broken.partition(b"\r\n\r\n")[2]))
    assert [set(shape) for shape in shapes] == [{"success", "error", "timestamp"}] * 3
    assert len({frozenset(shape["error"]) for shape in shapes}) == 1


async def test_own_answers_carry_one_request_id(gateway: Gateway, auth: dict[str, str]) -> None:
    answer = await gateway.http.get("/webhook-sources", headers={**auth, "X-Request-ID": "abc-1"})

    assert answer.headers.get_list("x-request-id") == ["abc-1"]
    assert answer.headers["x-content-type-options"] == "nosniff"
