"""Requests through the proxy to services on real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from .support import FakeServices, Gateway, StartGateway, make_source

CONTACTS = "/api/v2/contacts"


async def test_request_reaches_its_service_unchanged(
    gateway: Gateway, services: FakeServices, auth: dict[str, str]
) -> None:
    answer = await gateway.http.post(
        f"{CONTACTS}/a%20b?x=1&y=%2F", headers={**auth, "Idempotency-Key": "k1"}, content=b'{"a":1}'
    )

    assert answer.status_code == 200
    seen = services.seen[-1]
    assert (seen.method, seen.raw_path, seen.query) == ("POST", f"{CONTACTS}/a%20b".encode(), b"x=1&y=%2F")
    assert seen.body == b'{"a":1}'
    assert seen.header("idempotency-key") == "k1"
    assert seen.header("authorization") == auth["Authorization"]


async def test_service_learns_the_client_the_trace_and_the_request_id(
    gateway: Gateway, services: FakeServices, auth: dict[str, str]
) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = await gateway.http.get(
        CONTACTS,
        headers={
            **auth,
            "X-Request-ID": "mine-1",
            "traceparent": trace,
            "tracestate": "a=b",
            "X-Internal-Patience": "999000",
        },
    )

    seen = services.seen[-1]
    assert answer.headers["x-request-id"] == "mine-1"
    assert seen.values("x-request-id") == ["mine-1"]
    assert seen.values("x-forwarded-for") == ["127.0.0.1"]
    assert seen.header("x-forwarded-host") == f"127.0.0.1:{gateway.port}"
    assert seen.values("x-internal-patience") == ["30000"]
    parent = seen.header("traceparent") or ""
    assert parent.split("-")[1] == trace.split("-")[1]
    assert parent.split("-")[2] != trace.split("-")[2]
    assert seen.header("tracestate") == "a=b"


async def test_answer_comes_back_without_hop_headers_and_with_all_cookies(
    gateway: Gateway, auth: dict[str, str]
) -> None:
    answer = await gateway.http.get(f"{CONTACTS}?behave=headers", headers=auth)

    assert answer.status_code == 203
    assert answer.text == "ok"
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.headers["etag"] == '"1"'
    for name in ("x-internal-secret", "x-hop", "access-control-allow-origin"):
        assert name not in answer.headers
    assert len(answer.headers.get_list("date")) == 1
    assert answer.headers.get_list("referrer-policy") == ["no-referrer"]


async def test_redirects_and_compressed_bodies_pass_untouched(gateway: Gateway, auth: dict[str, str]) -> None:
    redirect = await gateway.http.get(f"{CONTACTS}?behave=redirect", headers=auth)
    request = gateway.http.build_request("GET", f"{CONTACTS}?behave=gzip", headers=auth)
    packed = await gateway.http.send(request, stream=True)
    raw = b"".join([piece async for piece in packed.aiter_raw()])

    assert redirect.status_code == 302
    assert redirect.headers["location"] == "http://elsewhere.test/"
    assert raw == b"\x1f\x8b\x00\x01"
    assert packed.headers["content-encoding"] == "gzip"


async def test_chunked_upload_streams_through_with_the_upload_limit(
    start_gateway: StartGateway, services: FakeServices, auth: dict[str, str]
) -> None:
    gateway = await start_gateway(max_body_bytes=1000, max_upload_bytes=3_000_000)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100_000

    answer = await gateway.http.post(f"{CONTACTS}/t/import?behave=upload", headers=auth, content=pieces())

    assert answer.json() == {"bytes": 2_000_000}
    assert services.seen[-1].header("transfer-encoding") == "chunked"


@pytest.mark.parametrize("chunked", [True, False])
async def test_body_above_the_limit_is_413(
    start_gateway: StartGateway, services: FakeServices, auth: dict[str, str], chunked: bool
) -> None:
    gateway = await start_gateway(max_body_bytes=1000)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 500
            await asyncio.sleep(0.02)

    content = pieces() if chunked else b"x" * 1001
    answer = await gateway.http.post(f"{CONTACTS}?behave=upload", headers=auth, content=content)

    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "PAYLOAD_TOO_LARGE"
    assert services.seen == []


async def test_client_that_sends_no_more_of_its_body_is_told_so(
    start_gateway: StartGateway, services: FakeServices, auth: dict[str, str]
) -> None:
    gateway = await start_gateway(client_patience=1.0)
    token = (await make_source(gateway, auth, "generic"))["token"]
    bodies = {CONTACTS: "", f"{CONTACTS}?behave=upload": "{", "/webhook-sources": "{", f"/hooks/{token}": "{"}
    requests = [
        f"POST {path} HTTP/1.1\r\nHost: a.test\r\nAuthorization: {auth['Authorization']}\r\n"
        f"Content-Length: 200\r\n\r\n{body}"
        for path, body in bodies.items()
    ]

    answers = await asyncio.gather(*(gateway.raw(request.encode(), wait=20) for request in requests))

    for path, answer in zip(bodies, answers, strict=True):
        assert answer.startswith(b"HTTP/1.1 408 "), path
        assert b"connection: close" in answer, path
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "REQUEST_TIMEOUT", path
    assert services.seen == []


async def test_service_that_is_down_is_503_with_its_name(
    start_gateway: StartGateway, services: FakeServices, auth: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMPAIGN_SERVICE_URL", "http://127.0.0.1:9")
    gateway = await start_gateway()

    answer = await gateway.http.get(CONTACTS, headers=auth)

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    error = answer.json()["error"]
    assert (error["code"], error["details"]) == ("UPSTREAM_UNAVAILABLE", {"service": "campaign-service"})
    assert error["correlation_id"] == answer.headers["x-request-id"]


async def test_service_that_is_silent_is_504_with_its_name(
    start_gateway: StartGateway, services: FakeServices, auth: dict[str, str]
) -> None:
    gateway = await start_gateway(proxy_first_byte_timeout=0.3)

    answer = await gateway.http.get(f"{CONTACTS}?behave=slow", headers=auth)

    assert answer.status_code == 504
    assert answer.json()["error"]["details"] == {"service": "campaign-service"}


async def test_service_that_breaks_off_before_it_answers_is_502(
    gateway: Gateway, auth: dict[str, str]
) -> None:
    answer = await gateway.http.get(f"{CONTACTS}?behave=drop_small", headers=auth)

    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "UPSTREAM_FAILED"


async def test_service_that_breaks_off_later_leaves_a_broken_answer(
    gateway: Gateway, auth: dict[str, str]
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await gateway.http.get(f"{CONTACTS}?behave=drop", headers=auth)

    assert (await gateway.http.get(CONTACTS, headers=auth)).status_code == 200


async def test_service_is_cancelled_when_the_client_hangs_up(
    gateway: Gateway, services: FakeServices, auth: dict[str, str]
) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await gateway.http.get(f"{CONTACTS}?behave=slow", headers=auth, timeout=0.5)

    async with asyncio.timeout(5):
        await services.hung_up.wait()


async def test_upload_is_cancelled_when_the_client_hangs_up(
    gateway: Gateway, services: FakeServices, auth: dict[str, str]
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    head = (
        f"POST {CONTACTS}/t/import?behave=upload HTTP/1.1\r\nHost: a.test\r\n"
        f"Authorization: {auth['Authorization']}\r\nContent-Length: 1000000\r\n\r\n"
    )
    writer.write(head.encode() + b"x" * 10_000)
    await writer.drain()
    await asyncio.sleep(0.3)
    writer.close()

    async with asyncio.timeout(5):
        await services.hung_up.wait()


async def test_server_sent_events_arrive_one_by_one(
    start_gateway: StartGateway, auth: dict[str, str]
) -> None:
    gateway = await start_gateway(proxy_first_byte_timeout=0.25, proxy_total_timeout=0.25)
    headers = {**auth, "Accept": "text/event-stream"}

    async with gateway.http.stream("GET", f"{CONTACTS}?behave=events", headers=headers) as answer:
        pieces = [piece async for piece in answer.aiter_raw()]

    assert pieces == [b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n"]


async def test_head_has_headers_and_no_body(gateway: Gateway, auth: dict[str, str]) -> None:
    answer = await gateway.http.head(CONTACTS, headers=auth)

    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) > 0
    assert answer.content == b""


async def test_long_download_may_last_as_long_as_it_goes_on(
    start_gateway: StartGateway, auth: dict[str, str]
) -> None:
    gateway = await start_gateway(proxy_first_byte_timeout=0.5, proxy_total_timeout=0.5)

    answer = await gateway.http.get(f"{CONTACTS}/t/export.csv?behave=trickle", headers=auth)

    assert answer.text == "row\n" * 10
