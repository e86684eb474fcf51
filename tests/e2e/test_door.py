"""The only public door: who comes in as whom, how often, and what it says when something is away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.e2e.system import RATE_LIMIT, Customer, System


@pytest.mark.parametrize(
    "forged",
    [
        "X-Tenant-Id",
        "X_Tenant_Id",
        "X-User-Id",
        "X-User-Role",
        "X-Identity",
        "X-Service-Key",
        "x.service.key",
    ],
)
def test_identity_headers_of_a_client_change_nothing(forged: str, system: System, customer: Customer) -> None:
    stranger = system.sign_up()
    headers = {forged: stranger.tenant}
    assert system.http.get("/auth/me", headers=headers).status_code == 401
    own = customer.gateway.send("GET", "/auth/me", headers=headers).json()["data"]
    assert own["tenant"]["id"] == customer.tenant
    assert system.http.get("/internal/users", headers=headers).status_code == 404


def _own_things(customer: Customer) -> dict[str, str]:
    """Path by kind, of one thing of each kind."""
    gateway, tenant = customer.gateway, customer.tenant
    tag = gateway.post("/api/v2/tags", {"slug": "own", "name": "Own"})
    contact = gateway.post("/api/v2/contacts", {"email": "ada@example.com", "tags": ["own"]})
    contents = {"en": {"subject": "Hello", "html": "<p>Hello {{ unsubscribe_url }}</p>"}}
    template = gateway.post(
        "/api/v2/templates", {"name": "Own", "default_language": "en", "contents": contents}
    )
    campaign = gateway.post("/api/v2/campaigns", {"name": "Own", "template_id": template["id"]})
    source = gateway.post("/webhook-sources", {"name": "Own", "type": "generic"})
    event = gateway.send_unsigned("POST", f"/hooks/{source['token']}", json={"n": 1}).json()["data"]
    return {
        "tag": f"/api/v2/tags/{tenant}/{tag['id']}",
        "contact": f"/api/v2/contacts/{tenant}/{contact['id']}",
        "template": f"/api/v2/templates/{tenant}/{template['id']}",
        "campaign": f"/api/v2/campaigns/{tenant}/{campaign['id']}",
        "audience": f"/api/v2/campaigns/{tenant}/{campaign['id']}/audience",
        "statistics": f"/api/v2/stats/{tenant}/overview",
        "webhook source": f"/webhook-sources/{source['id']}",
        "webhook": f"/webhook-events/{event['event_id']}",
    }


def test_nothing_of_a_tenant_is_there_for_another(system: System, customer: Customer) -> None:
    other = system.sign_up()
    for kind, path in _own_things(customer).items():
        assert customer.gateway.send("GET", path).status_code == 200, kind
        token = {"Authorization": _bearer(other)}
        for asked in {path, path.replace(customer.tenant, other.tenant)}:
            if asked.endswith("/overview") and other.tenant in asked:
                continue
            answer = system.http.get(asked, headers=token)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND"), asked


def _bearer(customer: Customer) -> str:
    return customer.gateway.authorization


def test_limit_lets_exactly_so_many_requests_through(system: System, customer: Customer) -> None:
    made = customer.gateway.post("/api-keys", {"name": "eager", "scopes": ["read"]})
    headers, path = {"X-API-Key": made["key"]}, f"/api/v2/tags/{customer.tenant}"

    def ask(_: int) -> httpx.Response:
        return system.http.get(path, headers=headers)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(RATE_LIMIT + 40)))
    assert sum(answer.status_code == 200 for answer in answers) == RATE_LIMIT
    refused = next(answer for answer in answers if answer.status_code != 200)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "RATE_LIMIT_EXCEEDED"
    assert int(refused.headers["retry-after"]) > 0
    # Others are not held up by it.
    assert customer.gateway.send("GET", path).status_code == 200


@pytest.mark.parametrize("path", ["/nothing", "/internal/users", "/api/v2/nothing", "/api/v2/tags/../x"])
def test_what_is_not_listed_is_not_reachable(path: str, system: System, customer: Customer) -> None:
    answer = system.http.get(path, headers={"Authorization": _bearer(customer)})
    assert answer.status_code in (400, 404)
    assert answer.json()["success"] is False


def test_documentation_covers_every_service(system: System) -> None:
    some_of_each = {
        "/auth/login",
        "/api/v2/campaigns/{tenant_id}/{campaign_id}/send",
        "/api/v2/contacts/{tenant_id}/import",
        "/t/o/{token}",
        "/webhook-sources",
        "/api/v2/webhooks/powermta",
    }
    paths = system.wait(
        lambda: set(system.http.get("/openapi.json").json()["paths"]),
        # A service that is slow to answer is added when the document is made again.
        lambda paths: some_of_each <= paths,
        "the document of all services",
    )
    assert not [path for path in paths if path.startswith("/internal")]
    for page in ("/docs", "/redoc"):
        answer = system.http.get(page)
        assert answer.status_code == 200
        assert "text/html" in answer.headers["content-type"]


def test_absent_service_is_named_and_missed_only_while_it_is_away(system: System, customer: Customer) -> None:
    path = f"/api/v2/tags/{customer.tenant}"
    system.kill("campaign-service")
    answer = system.http.get(path, headers={"Authorization": _bearer(customer)})
    assert answer.status_code in (502, 503)
    assert "campaign-service" in answer.text
    assert customer.gateway.get("/auth/me")["tenant"]["id"] == customer.tenant
    assert system.http.get("/health").json()["data"]["status"] == "degraded"
    system.wait_ready("campaign-service")
    assert customer.gateway.get(path) == []
