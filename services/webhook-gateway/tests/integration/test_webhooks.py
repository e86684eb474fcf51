"""Webhooks over HTTP: verified, stored, published once, repeats recognised, kept when refused."""

from __future__ import annotations

import asyncio
import base64
import hmac
import time
from uuid import UUID

import httpx

from .support import HEADER, ROW, Gateway, StartGateway, events, make_source, published

MAILWIZZ = {
    "event": {"type": "open", "ip_address": "192.0.2.1"},
    "timestamp": 1770000000,
    "subscriber": {"attributes": {"subscriber_uid": "s1", "email": "a@example.com"}},
    "campaign": {"attributes": {"campaign_uid": "c1"}},
}


async def test_powermta_batch_is_stored_and_published_once(
    quiet: Gateway, auth: dict[str, str], tenant_a: UUID
) -> None:
    source = await make_source(quiet, auth, "powermta")
    headers = {"X-Webhook-Token": source["token"], "Content-Type": "text/csv"}
    body = HEADER + ROW * 3

    first = await quiet.http.post("/api/v2/webhooks/powermta", headers=headers, content=body)
    again = await quiet.http.post("/api/v2/webhooks/powermta", headers=headers, content=body)

    assert (first.status_code, first.json()["data"]["records"]) == (200, 3)
    assert first.json()["data"]["duplicate"] is False
    assert again.json()["data"] == {**first.json()["data"], "duplicate": True}
    (event,) = await published(quiet.db, tenant_a)
    assert event["type"] == "webhook.powermta.received.v1"
    data = event["data"]
    assert data["body"] == body
    assert data["inbound_id"] == first.json()["data"]["event_id"] == str(event["id"])
    assert (data["source_id"], data["source_type"], data["replay_of"]) == (source["id"], "powermta", None)
    (row,) = await events(quiet, auth)
    assert (row["status"], row["repeats"]) == ("received", 1)


async def test_fifty_equal_deliveries_at_once_are_one_event(
    quiet: Gateway, auth: dict[str, str], tenant_a: UUID
) -> None:
    source = await make_source(quiet, auth, "mailwizz")
    url = f"/api/v2/webhooks/mailwizz/{source['token']}"

    answers = await asyncio.gather(*(quiet.http.post(url, json=MAILWIZZ) for _ in range(50)))

    assert {answer.status_code for answer in answers} == {200}
    assert sum(not answer.json()["data"]["duplicate"] for answer in answers) == 1
    assert len(await published(quiet.db, tenant_a)) == 1


async def test_same_id_with_another_body_is_kept_as_a_conflict(
    quiet: Gateway, auth: dict[str, str], tenant_a: UUID
) -> None:
    source = await make_source(quiet, auth, "generic")
    headers = {"X-Webhook-Token": source["token"]}

    first = await quiet.http.post("/api/v2/webhooks/generic", headers=headers, json={"event_id": 1, "a": 1})
    other = await quiet.http.post("/api/v2/webhooks/generic", headers=headers, json={"event_id": 1, "a": 2})

    assert (first.status_code, other.status_code) == (202, 200)
    assert other.json()["data"]["conflict"] is True
    conflict, original = await events(quiet, auth)
    assert (conflict["status"], conflict["conflict_of"]) == ("conflict", original["id"])
    assert len(await published(quiet.db, tenant_a)) == 1


async def test_test_webhook_shows_what_was_understood(quiet: Gateway, auth: dict[str, str]) -> None:
    source = await make_source(quiet, auth, "test")

    answer = await quiet.http.post(
        "/api/v2/webhooks/test", headers={"X-Webhook-Token": source["token"]}, json={"a": [1]}
    )

    assert answer.json()["data"]["parsed"] == {"a": [1]}
    assert answer.json()["data"]["verified"] is True
    assert source["token"] not in answer.text


async def test_make_answers_as_its_scenarios_expect(quiet: Gateway, auth: dict[str, str]) -> None:
    source = await make_source(quiet, auth, "make")
    path = "/integrations/make/webhook"
    body = {"event_id": "order-123", "event_type": "order.created", "order": {"id": "o1"}}
    headers = {"x-make-token": source["token"]}

    wrong = await quiet.http.post(path, headers={"x-make-token": "wrong"}, json=body)
    missing = await quiet.http.post(path, json=body)
    empty = await quiet.http.post(path, headers=headers, json={"event_type": "order.created"})
    first = await quiet.http.post(path, headers=headers, json=body)
    again = await quiet.http.post(path, headers=headers, json=body)
    processed = await quiet.http.get("/integrations/webhooks/processed", headers=auth)

    assert (wrong.status_code, missing.status_code) == (401, 401)
    assert wrong.json()["error"]["message"] == "Invalid webhook token"
    assert (empty.status_code, empty.json()["error"]["message"]) == (400, "Missing event_id")
    assert (first.status_code, "order-123" in first.json()["message"]) == (200, True)
    assert (again.status_code, "already processed" in again.json()["message"]) == (200, True)
    (webhook,) = processed.json()["data"]["webhooks"]
    assert webhook["id"] == first.json()["data"]["event_id"]
    assert (webhook["event_id"], webhook["event_type"]) == ("order-123", "order.created")
    assert (webhook["source"], webhook["status"], webhook["error_message"]) == ("make", "received", None)
    assert webhook["processed_at"] == webhook["received_at"]


async def test_what_happens_next_to_an_order_is_another_event_of_its_id(
    quiet: Gateway, auth: dict[str, str], tenant_a: UUID
) -> None:
    source = await make_source(quiet, auth, "make")
    headers = {"x-make-token": source["token"]}
    for kind in ("created", "completed", "completed"):
        body = {"event_id": "order-5", "event_type": f"order.{kind}", "order": {"id": "5"}}
        answer = await quiet.http.post("/integrations/make/webhook", headers=headers, json=body)

    assert answer.json()["data"]["duplicate"] is True
    assert len(await published(quiet.db, tenant_a)) == 2


async def test_token_of_another_type_is_refused(quiet: Gateway, auth: dict[str, str]) -> None:
    source = await make_source(quiet, auth, "mailwizz")

    answer = await quiet.http.post(
        "/api/v2/webhooks/powermta", headers={"X-Webhook-Token": source["token"]}, content=ROW
    )

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "INVALID_WEBHOOK_TOKEN"


async def test_malformed_body_is_answered_with_the_place_and_kept(
    quiet: Gateway, auth: dict[str, str], tenant_a: UUID
) -> None:
    source = await make_source(quiet, auth, "powermta")
    headers = {"X-Webhook-Token": source["token"], "Content-Type": "text/csv"}

    for _ in range(2):
        answer = await quiet.http.post(
            "/api/v2/webhooks/powermta", headers=headers, content=HEADER + "no row at all\r\n"
        )
        assert answer.status_code == 400
        assert answer.json()["error"]["field"] == "line 2"

    (row,) = await events(quiet, auth, "?status=rejected")
    assert (row["error_code"], row["repeats"]) == ("MALFORMED_WEBHOOK", 1)
    assert "Line 2" in row["error"]
    assert await published(quiet.db, tenant_a) == []


async def test_any_bytes_are_answered_below_500(quiet: Gateway, auth: dict[str, str]) -> None:
    bodies = [b"", b"\x00", b"\xff\xfe", b"{" * 3000, b'{"event_id": "\\u0000"}', b"\x00,\x00\r\n", b"[]"]
    for kind in ("powermta", "mailwizz", "generic", "test"):
        source = await make_source(quiet, auth, kind)
        for body in bodies:
            answer = await quiet.http.post(
                f"/api/v2/webhooks/{kind}", headers={"X-Webhook-Token": source["token"]}, content=body
            )
            assert answer.status_code in (200, 202, 400), (kind, body, answer.text)


async def test_signed_sources_take_only_what_is_signed(quiet: Gateway, auth: dict[str, str]) -> None:
    source = await make_source(quiet, auth, "standard")
    path = f"/hooks/{source['token']}"
    key = base64.b64decode(source["signing_secret"].removeprefix("whsec_"))
    now = str(int(time.time()))
    mac = hmac.digest(key, f"msg_1.{now}.".encode() + b'{"a":1}', "sha256")
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": now,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }

    good = await quiet.http.post(path, headers=headers, content=b'{"a":1}')
    unsigned = await quiet.http.post(path, content=b'{"a":1}')
    changed = await quiet.http.post(path, headers=headers, content=b'{"a":2}')

    assert good.status_code == 200
    assert (unsigned.status_code, changed.status_code) == (401, 401)
    assert changed.json()["error"]["code"] == "INVALID_WEBHOOK_SIGNATURE"
    (sample,) = await events(quiet, auth, "?status=rejected")
    assert sample["error_code"] == "INVALID_WEBHOOK_SIGNATURE"


async def test_twilio_is_verified_by_the_public_address_and_gets_twiml(
    start_gateway: StartGateway, auth: dict[str, str]
) -> None:
    gateway = await start_gateway(
        public_url="https://door.example.com",
        jwt_issuer="http://localhost:8000",
        events_url="amqp://127.0.0.1:9/",
    )
    source = await make_source(gateway, auth, "twilio", signing_secret="auth-token-1")
    assert source["url"] == f"https://door.example.com/hooks/{source['token']}"
    mac = hmac.digest(b"auth-token-1", f"{source['url']}BodyhiMessageSidSM1".encode(), "sha1")

    answer = await gateway.http.post(
        f"/hooks/{source['token']}",
        headers={"X-Twilio-Signature": base64.b64encode(mac).decode()},
        data={"MessageSid": "SM1", "Body": "hi"},
    )

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/xml"
    assert "<Response/>" in answer.text


async def test_overload_is_503_and_stores_nothing(start_gateway: StartGateway, auth: dict[str, str]) -> None:
    gateway = await start_gateway(ingest_max_in_flight=0)
    source = await make_source(gateway, auth, "test")

    answer = await gateway.http.post(f"/hooks/{source['token']}", json={})

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert await events(gateway, auth) == []


async def test_too_large_webhook_is_413(start_gateway: StartGateway, auth: dict[str, str]) -> None:
    gateway = await start_gateway(max_webhook_bytes=1000)
    source = await make_source(gateway, auth, "test")

    answer = await gateway.http.post(f"/hooks/{source['token']}", content=b"x" * 1001)

    assert answer.status_code == 413


async def test_other_methods_and_paths(quiet: Gateway) -> None:
    assert (await quiet.http.get("/hooks/abc")).status_code == 405
    assert (await quiet.http.post("/hooks/")).status_code == 404
    assert (await quiet.http.post("/hooks/a/b")).status_code == 404
    assert (await quiet.http.post("/api/v2/webhooks/unknown")).status_code == 404
    health = await quiet.http.get("/api/v2/webhooks/health")
    assert health.json()["data"]["status"] == "healthy"


async def test_guessing_webhook_tokens_is_slowed_down_and_good_senders_pass(
    quiet: Gateway, auth: dict[str, str]
) -> None:
    source = await make_source(quiet, auth, "test")
    assert (await quiet.http.post(f"/hooks/{source['token']}", json={"n": 1})).status_code == 200

    async def guess(number: int) -> httpx.Response:
        return await quiet.http.post(f"/hooks/guess-{number}", content=b"{}")

    answers = [await guess(number) for number in range(101)]

    assert {answer.status_code for answer in answers[:100]} == {401}
    assert answers[100].status_code == 429
    assert (await quiet.http.post(f"/hooks/{source['token']}", json={"n": 2})).status_code == 200
