"""Whatever comes in, no answer is a 500, and every answer is in the envelope."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from tests.e2e.system import Customer, System, running_system

EXAMPLES = 8
# Answers that are not JSON by nature.
OTHER_SHAPES = (
    "/t/",
    "/l/",
    "/redirect",
    "/qr.",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/.well-known/",
    ".csv",
    ".xlsx",
    "/artifacts/",
    "/metrics",
)
BROKEN_BODIES = {
    "malformed": b'{"a": ',
    "not an object": b"[1, 2]",
    "bad UTF-8": b'{"name": "\xff\xfe"}',
    "lone surrogate": b'{"name": "\\ud800"}',
    "null byte": b'{"name": "a\\u0000b", "email": "a\\u0000@example.com"}',
    "deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "huge number": b'{"name": 1e999, "limit": ' + b"9" * 400 + b"}",
    "empty": b"",
}


@pytest.fixture(scope="module")
def open_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """An installation that does not count requests."""
    state = tmp_path_factory.mktemp("open")
    with running_system(state, "postgres://", RATE_LIMIT_ENABLED="false") as system:
        yield system


@pytest.fixture(scope="module")
def owner(open_system: System) -> Customer:
    customer = open_system.sign_up()
    open_system.prove(customer)
    return customer


@pytest.fixture(scope="module")
def admin_key(owner: Customer) -> dict[str, str]:
    """An API key outlives the sessions that generated requests may end."""
    made = owner.gateway.post("/api-keys", {"name": "fuzzer", "scopes": ["read", "write", "admin"]})
    return {"X-API-Key": made["key"]}


@pytest.fixture(scope="module")
def api(open_system: System) -> dict[str, Any]:
    document: dict[str, Any] = open_system.http.get("/openapi.json").json()
    return document


def check(answer: httpx.Response | Any, path: str, what: str) -> None:
    assert answer.status_code < 500, f"{what}: {answer.status_code} {answer.text[:500]}"
    if answer.content and not any(part in path for part in OTHER_SHAPES):
        body = answer.json()
        assert body["success"] is (answer.status_code < 400), what
        assert answer.status_code < 400 or body["error"]["code"], what


def test_generated_requests_never_break_a_service(
    api: dict[str, Any], open_system: System, owner: Customer, admin_key: dict[str, str]
) -> None:
    schema = schemathesis.openapi.from_dict(api)
    tried = 0
    results: Iterator[Any] = schema.get_all_operations()
    for result in results:
        operation = result.ok()
        tried += 1

        @settings(
            max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy())
        def generated(case: Any) -> None:
            if case.path_parameters and "tenant_id" in case.path_parameters:
                case.path_parameters["tenant_id"] = owner.tenant
            answer = case.call(base_url=open_system.url, headers=admin_key, timeout=30)
            check(answer, case.formatted_path, f"{case.method} {case.formatted_path} {case.body!r}"[:600])

        generated()
    assert tried > 60


@pytest.mark.parametrize("kind", BROKEN_BODIES)
def test_broken_bodies_are_the_callers_fault_everywhere(
    api: dict[str, Any], open_system: System, owner: Customer, admin_key: dict[str, str], kind: str
) -> None:
    ids = {"tenant_id": owner.tenant}
    headers = admin_key | {"Content-Type": "application/json"}
    tried = 0
    for path, methods in api["paths"].items():
        for method in methods.keys() & {"post", "put", "patch"}:
            url = fill(path, ids)
            answer = open_system.http.request(method, url, content=BROKEN_BODIES[kind], headers=headers)
            check(answer, path, f"{method} {path} with {kind}")
            tried += 1
    assert tried > 25


def test_oversized_bodies_are_refused_everywhere(
    api: dict[str, Any], open_system: System, owner: Customer, admin_key: dict[str, str]
) -> None:
    headers = admin_key | {"Content-Type": "application/json"}
    for path, methods in api["paths"].items():
        for method in methods.keys() & {"post", "put", "patch"}:
            kinds = methods[method].get("requestBody", {}).get("content", {})
            if not kinds or "multipart/form-data" in kinds:  # uploads may be larger
                continue
            size = 18_000_000 if path == "/api/v2/messages/{tenant_id}" else 1_200_000  # mails carry files
            body = b'{"name": "' + b"x" * size + b'"}'
            answer = open_system.http.request(
                method, fill(path, {"tenant_id": owner.tenant}), content=body, headers=headers
            )
            check(answer, path, f"{method} {path}")
            # A webhook is not read before its token is known; whoever has too many wrong ones waits.
            is_webhook = path.startswith(("/api/v2/webhooks/", "/hooks/", "/integrations/make/"))
            refusals = (401, 413, 429) if is_webhook else (413,)
            assert answer.status_code in refusals, f"{method} {path}: {answer.status_code}"


def test_unknown_ids_are_not_found_everywhere(
    api: dict[str, Any], open_system: System, owner: Customer, admin_key: dict[str, str]
) -> None:
    for path, methods in api["paths"].items():
        if "get" in methods and path.count("{") > ("{tenant_id}" in path) and not path.startswith("/t/"):
            answer = open_system.http.get(fill(path, {"tenant_id": owner.tenant}), headers=admin_key)
            check(answer, path, path)
            assert answer.status_code == 404, f"{path}: {answer.status_code} {answer.text[:200]}"


def fill(path: str, ids: dict[str, str]) -> str:
    """The path with an id of nothing in every other place."""
    parts = path.split("/")
    return "/".join(
        ids.get(part[1:-1], "01999999-9999-7999-8999-999999999999") if part.startswith("{") else part
        for part in parts
    )
