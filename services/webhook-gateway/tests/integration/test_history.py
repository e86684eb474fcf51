"""Webhook sources and the history: who may see and change what, and replays."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from typing import Any
from uuid import UUID

from shared.testing import TokenMint

from .support import HEADER, ROW, Gateway, StartGateway, events, make_source, published


async def test_history_filters_pages_and_shows_the_body(quiet: Gateway, auth: dict[str, str]) -> None:
    source = await make_source(quiet, auth, "test")
    headers = {"X-Webhook-Token": source["token"], "Authorization": "Bearer secret"}
    for number in range(5):
        await quiet.http.post("/api/v2/webhooks/test", headers=headers, json={"n": number})
    await make_source(quiet, auth, "powermta")

    page = await quiet.http.get("/webhook-events?limit=2", headers=auth)
    cursor = page.json()["meta"]["next_cursor"]
    rest = await quiet.http.get("/webhook-events", params={"limit": 2, "cursor": cursor}, headers=auth)
    ids = [row["id"] for row in page.json()["data"] + rest.json()["data"]]
    detail = (await quiet.http.get(f"/webhook-events/{ids[0]}", headers=auth)).json()["data"]

    assert len(set(ids)) == 4
    assert json.loads(detail["body"]) == {"n": 4}
    assert detail["headers"]["x-webhook-token"] == detail["headers"]["authorization"] == "[redacted]"
    assert len(await events(quiet, auth, f"?source={source['id']}")) == 5
    assert await events(quiet, auth, "?type=powermta") == []
    assert await events(quiet, auth, "?to=2020-01-01T00:00:00Z") == []
    assert len(await events(quiet, auth, "?from=2020-01-01T00:00:00")) == 5
    assert await events(quiet, auth, "?status=conflict") == []


async def test_replay_publishes_again_and_names_the_first(
    quiet: Gateway, auth: dict[str, str], tenant_a: UUID
) -> None:
    source = await make_source(quiet, auth, "powermta")
    sent = await quiet.http.post(f"/hooks/{source['token']}", content=HEADER + ROW)
    event_id = sent.json()["data"]["event_id"]

    replayed = await quiet.http.post(f"/webhook-events/{event_id}/replay", headers=auth)

    assert replayed.status_code == 202
    first, second = await published(quiet.db, tenant_a)
    assert str(second["id"]) == replayed.json()["data"]["event_id"]
    assert second["data"]["replay_of"] == second["data"]["inbound_id"] == event_id
    assert second["data"]["body"] == first["data"]["body"]
    assert (await events(quiet, auth))[0]["replays"] == 1


async def test_a_rejected_webhook_cannot_be_replayed(quiet: Gateway, auth: dict[str, str]) -> None:
    source = await make_source(quiet, auth, "powermta")
    await quiet.http.post(f"/hooks/{source['token']}", content=b"nothing")
    (row,) = await events(quiet, auth)

    answer = await quiet.http.post(f"/webhook-events/{row['id']}/replay", headers=auth)

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "WEBHOOK_NOT_REPLAYABLE")


async def test_another_tenant_sees_nothing(
    quiet: Gateway, auth: dict[str, str], mint: TokenMint, tenant_b: UUID
) -> None:
    source = await make_source(quiet, auth, "test")
    sent = await quiet.http.post(f"/hooks/{source['token']}", json={"a": 1})
    event = sent.json()["data"]["event_id"]
    other = mint.headers(tenant_b)

    async def status(method: str, path: str, **more: Any) -> int:
        return (await quiet.http.request(method, path, headers=other, **more)).status_code

    assert (await quiet.http.get("/webhook-sources", headers=other)).json()["data"] == []
    assert await events(quiet, other) == []
    assert await status("GET", f"/webhook-sources/{source['id']}") == 404
    assert await status("PATCH", f"/webhook-sources/{source['id']}", json={"name": "mine"}) == 404
    assert await status("DELETE", f"/webhook-sources/{source['id']}") == 404
    assert await status("GET", f"/webhook-events/{event}") == 404
    assert await status("POST", f"/webhook-events/{event}/replay") == 404
    processed = await quiet.http.get("/integrations/webhooks/processed", headers=other)
    assert processed.json()["data"] == {"webhooks": []}
    assert (await quiet.http.get(f"/webhook-sources/{source['id']}", headers=auth)).status_code == 200


async def test_roles_and_missing_tokens(quiet: Gateway, mint: TokenMint, tenant_a: UUID) -> None:
    some = "00000000-0000-0000-0000-000000000000"
    body = {"name": "s", "type": "test"}
    needs: list[tuple[str, str, str | None, dict[str, Any]]] = [
        ("POST", "/webhook-sources", "operator", {"json": body}),
        ("GET", "/webhook-sources", None, {}),
        ("GET", f"/webhook-sources/{some}", None, {}),
        ("PATCH", f"/webhook-sources/{some}", "operator", {"json": {}}),
        ("DELETE", f"/webhook-sources/{some}", "operator", {}),
        ("GET", "/webhook-events", None, {}),
        ("GET", f"/webhook-events/{some}", "viewer", {}),
        ("POST", f"/webhook-events/{some}/replay", "viewer", {}),
        ("GET", "/integrations/webhooks/processed", None, {}),
    ]
    for method, path, too_small, more in needs:
        anonymous = await quiet.http.request(method, path, **more)
        assert anonymous.status_code == 401, path
        if too_small:
            headers = mint.headers(tenant_a, too_small)  # type: ignore[arg-type]
            refused = await quiet.http.request(method, path, headers=headers, **more)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN"), path


async def test_source_settings_are_checked(quiet: Gateway, auth: dict[str, str]) -> None:
    bad: list[dict[str, Any]] = [
        {},
        {"name": "", "type": "test"},
        {"name": "s", "type": "unknown"},
        {"name": "s", "type": "stripe"},
        {"name": "s", "type": "test", "extra": 1},
        {"name": "a\u0000b", "type": "test"},
        {"name": "s", "type": "generic", "settings": {"event_id_pointer": "no"}},
        {"name": "s", "type": "generic", "settings": {"signature": {"header": "a b"}}},
    ]
    for body in bad:
        answer = await quiet.http.post("/webhook-sources", headers=auth, json=body)
        assert answer.status_code == 422, body
    broken = await quiet.http.post(
        "/webhook-sources", headers={**auth, "Content-Type": "application/json"}, content=b"{"
    )
    assert broken.status_code == 400
    await make_source(quiet, auth, "test")
    taken = await quiet.http.post("/webhook-sources", headers=auth, json={"name": "my test", "type": "test"})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "WEBHOOK_SOURCE_EXISTS")


async def test_secrets_are_neither_stored_nor_shown_again(
    quiet: Gateway, auth: dict[str, str], tenant_a: UUID
) -> None:
    source = await make_source(quiet, auth, "github")
    await quiet.http.post(f"/hooks/{source['token']}", content=b"{}")

    shown = await quiet.http.get(f"/webhook-sources/{source['id']}", headers=auth)
    async with quiet.db.tenant_tx(tenant_a) as tx:
        rows = [
            *await tx.fetch("SELECT * FROM webhook_source"),
            *await tx.fetch("SELECT * FROM webhook_event"),
        ]
    stored = "".join(str(value) for row in rows for value in row.values())

    for secret in (source["token"], source["signing_secret"]):
        assert secret not in shown.text
        assert secret not in stored


async def test_ended_and_rotated_tokens_stop_at_once(quiet: Gateway, auth: dict[str, str]) -> None:
    source = await make_source(quiet, auth, "test")
    old = {"X-Webhook-Token": source["token"]}
    one = f"/webhook-sources/{source['id']}"

    async def send(headers: dict[str, str]) -> int:
        number = time.monotonic_ns()
        answer = await quiet.http.post("/api/v2/webhooks/test", headers=headers, json={"n": number})
        return answer.status_code

    assert await send(old) == 200
    rotated = await quiet.http.patch(one, headers=auth, json={"rotate_token": True})
    new = {"X-Webhook-Token": rotated.json()["data"]["token"]}
    assert (await send(old), await send(new)) == (401, 200)
    await quiet.http.patch(one, headers=auth, json={"is_enabled": False})
    assert await send(new) == 401
    await quiet.http.patch(one, headers=auth, json={"is_enabled": True, "name": "renamed"})
    await asyncio.sleep(2.1)
    assert await send(new) == 200
    assert (await quiet.http.delete(one, headers=auth)).status_code == 204
    assert await send(new) == 401


async def test_a_new_signing_secret_holds_at_once(quiet: Gateway, auth: dict[str, str]) -> None:
    source = await make_source(quiet, auth, "github", signing_secret="old-secret")

    async def send(secret: str, number: int) -> int:
        body = json.dumps({"n": number}).encode()
        signature = "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()
        headers = {"X-Hub-Signature-256": signature, "X-GitHub-Delivery": str(number)}
        return (await quiet.http.post(f"/hooks/{source['token']}", headers=headers, content=body)).status_code

    assert await send("old-secret", 1) == 200
    changed = {"signing_secret": "new-secret"}
    await quiet.http.patch(f"/webhook-sources/{source['id']}", headers=auth, json=changed)
    assert await send("new-secret", 2) == 200
    assert await send("old-secret", 3) == 401


async def test_retention_removes_what_is_old(start_gateway: StartGateway, auth: dict[str, str]) -> None:
    gateway = await start_gateway(webhook_retention_days=0)
    source = await make_source(gateway, auth, "test")
    await gateway.http.post(f"/hooks/{source['token']}", json={"a": 1})
    runtime = gateway.app.state.runtime

    async with gateway.db.system_tx() as tx:
        await runtime.jobs.enqueue(tx, "gateway.retention", {}, tenant_id=None)

    for _ in range(600):
        if not await events(gateway, auth):
            break
        await asyncio.sleep(0.1)
    assert await events(gateway, auth) == []
    assert (await gateway.http.get(f"/webhook-sources/{source['id']}", headers=auth)).status_code == 200
