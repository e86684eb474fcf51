"""Raw bytes against the running gateway: smuggling, framing, Host and path tricks."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from .support import FakeServices, Gateway

OK_HOST = "Host: gateway.test\r\n"


def statuses(answer: bytes) -> list[int]:
    """Status codes of all answers on one connection."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def post(headers: str, body: str = "", path: str = "/auth/login") -> bytes:
    return f"POST {path} HTTP/1.1\r\n{headers}\r\n{body}".encode("latin-1")


CHUNKED = OK_HOST + "Transfer-Encoding: chunked\r\n"
REFUSED = {
    "content-length and transfer-encoding": post(CHUNKED + "Content-Length: 4\r\n", "0\r\n\r\n"),
    "transfer-encoding before content-length": post(
        OK_HOST + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"
    ),
    "two content-lengths": post(OK_HOST + "Content-Length: 4\r\nContent-Length: 4\r\n", "abcd"),
    "two different content-lengths": post(OK_HOST + "Content-Length: 4\r\nContent-Length: 5\r\n", "abcd"),
    "list of content-lengths": post(OK_HOST + "Content-Length: 4, 4\r\n", "abcd"),
    "signed content-length": post(OK_HOST + "Content-Length: +4\r\n", "abcd"),
    "negative content-length": post(OK_HOST + "Content-Length: -1\r\n"),
    "hexadecimal content-length": post(OK_HOST + "Content-Length: 0x4\r\n", "abcd"),
    "space before the colon": post(OK_HOST + "Content-Length : 4\r\n", "abcd"),
    "content-length with an underscore": post(OK_HOST + "Content_Length: 4\r\n"),
    "transfer.encoding with a dot": post(OK_HOST + "Transfer.Encoding: chunked\r\n"),
    "two transfer-encodings": post(CHUNKED + "Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    "other transfer coding": post(OK_HOST + "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
    "identity transfer coding": post(OK_HOST + "Transfer-Encoding: identity\r\n"),
    "chunked twice": post(OK_HOST + "Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
    "invalid chunk size": post(CHUNKED, "xyz\r\nabc\r\n0\r\n\r\n"),
    "chunk size with an underscore": post(CHUNKED, "0_1\r\na\r\n0\r\n\r\n"),
    "chunk size with 0x": post(CHUNKED, "0x1\r\na\r\n0\r\n\r\n"),
    "negative chunk size": post(CHUNKED, "-1\r\na\r\n0\r\n\r\n"),
    "chunk longer than its size": post(CHUNKED, "1\r\nabc\r\n0\r\n\r\n"),
    "bare line feeds between headers": b"POST /auth/login HTTP/1.1\nHost: gateway.test\n\n",
    "folded header": post(OK_HOST + "X-A: b\r\n c\r\n"),
    "null byte in a header": post(OK_HOST + "X-A: b\x00c\r\n"),
    "no host": post("X-A: b\r\n"),
    "empty host": post("Host: \r\n"),
    "two hosts": post(OK_HOST + OK_HOST),
    "two different hosts": post(OK_HOST + "Host: other.test\r\n"),
    "list of hosts": post("Host: a.test, b.test\r\n"),
    "host with userinfo": post("Host: user@gateway.test\r\n"),
    "host with a path": post("Host: gateway.test/path\r\n"),
    "host with a bad port": post("Host: gateway.test:99999\r\n"),
    "host with a space": post("Host: gateway .test\r\n"),
    "star target": f"OPTIONS * HTTP/1.1\r\n{OK_HOST}\r\n".encode(),
    "unknown method": f"BREW /auth/login HTTP/1.1\r\n{OK_HOST}\r\n".encode(),
    "trace": f"TRACE /auth/login HTTP/1.1\r\n{OK_HOST}\r\n".encode(),
    "connect": f"CONNECT gateway.test:80 HTTP/1.1\r\n{OK_HOST}\r\n".encode(),
    "not http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


async def test_malformed_requests_are_refused_and_reach_no_service(
    gateway: Gateway, services: FakeServices
) -> None:
    answers = await asyncio.gather(*(gateway.raw(request, wait=2) for request in REFUSED.values()))

    for name, answer in zip(REFUSED, answers, strict=True):
        assert statuses(answer), name
        assert all(400 <= status < 500 for status in statuses(answer)), name
    assert services.seen == []


async def test_refusals_carry_the_error_envelope(gateway: Gateway) -> None:
    for request in (REFUSED["not http"], REFUSED["two hosts"]):
        answer = await gateway.raw(request, wait=0.5)
        envelope = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert envelope["success"] is False
        assert envelope["error"]["code"] == "MALFORMED_REQUEST"


async def test_hidden_second_request_is_never_sent_to_a_service(
    gateway: Gateway, services: FakeServices
) -> None:
    hidden = "GET /internal/users HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
    request = post(CHUNKED + f"Content-Length: {len(hidden) + 5}\r\n", "0\r\n\r\n" + hidden)

    answer = await gateway.raw(request, wait=1)

    assert 200 not in statuses(answer)
    assert services.seen == []


PATHS = {
    "/internal/users": 404,
    "/INTERNAL/users": 404,
    "/%69nternal/users": 404,
    "/auth/../internal/users": 400,
    "/auth/%2e%2e/internal/users": 400,
    "/auth/%252e%252e/internal/users": 400,
    "/auth/..%2finternal/users": 400,
    "/auth/.%2e/internal/users": 400,
    "/auth/..;/internal/users": 400,
    "/t/..%5cinternal": 400,
    "/t/%2e/x": 400,
    "//internal/users": 400,
    "/t//x": 400,
    "/t/%2f/x": 400,
    "/t/a%00b": 400,
    "/t/a%0d%0ab": 400,
    "/t/a%250d%250ab": 400,
    "/t/a\\b": 400,
    "/t/a%5Cb": 400,
    "/t/%ff%fe": 400,
    "/t/%zz": 400,
    "/t/%": 400,
    "/authentication": 404,
    "/metrics/x": 404,
    "/docs/../metrics": 400,
    "/": 404,
}


async def test_path_tricks_reach_no_service(gateway: Gateway, services: FakeServices) -> None:
    for path, status in PATHS.items():
        request = f"GET {path} HTTP/1.1\r\n{OK_HOST}Connection: close\r\n\r\n"
        assert statuses(await gateway.raw(request.encode())) == [status], path
    assert services.seen == []


async def test_absolute_target_of_an_internal_path_is_not_routed(
    gateway: Gateway, services: FakeServices
) -> None:
    request = f"GET http://auth-service:8001/internal/users HTTP/1.1\r\n{OK_HOST}Connection: close\r\n\r\n"

    assert statuses(await gateway.raw(request.encode())) == [404]
    assert services.seen == []


async def test_endless_headers_are_cut_off(gateway: Gateway) -> None:
    request = f"GET /t/x HTTP/1.1\r\n{OK_HOST}".encode() + b"X-A: " + b"a" * 300_000

    assert statuses(await gateway.raw(request)) == [431]


async def test_many_headers_are_too_large(gateway: Gateway, services: FakeServices) -> None:
    lines = "".join(f"X-{number}: {'a' * 100}\r\n" for number in range(900))

    answer = await gateway.raw(f"GET /t/x HTTP/1.1\r\n{OK_HOST}{lines}\r\n".encode(), wait=1)

    assert 431 in statuses(answer)
    assert services.seen == []


async def test_trailers_do_not_become_headers_of_the_service(
    gateway: Gateway, services: FakeServices
) -> None:
    request = post(CHUNKED + "Connection: close\r\n", "1\r\na\r\n0\r\nX-Tenant-Id: evil\r\n\r\n")

    await gateway.raw(request)

    assert [seen.values("x-tenant-id") for seen in services.seen] in ([], [[]])


async def test_pipelined_requests_are_answered_in_order(gateway: Gateway, services: FakeServices) -> None:
    one = f"GET /t/o/one HTTP/1.1\r\n{OK_HOST}\r\n"
    two = f"GET /t/o/two HTTP/1.1\r\n{OK_HOST}Connection: close\r\n\r\n"

    answer = await gateway.raw((one + two).encode())

    assert statuses(answer) == [200, 200]
    assert [seen.path for seen in services.seen] == ["/t/o/one", "/t/o/two"]
    assert answer.index(b"/t/o/one") < answer.index(b"/t/o/two")


async def test_upgrade_is_answered_as_plain_http(gateway: Gateway, services: FakeServices) -> None:
    request = f"GET /t/x HTTP/1.1\r\n{OK_HOST}Connection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n"

    answer = await gateway.raw(request.encode(), wait=1)

    assert statuses(answer) == [200]
    assert services.seen[0].header("upgrade") is None


async def test_who_wants_a_websocket_is_told_that_there_are_none(
    gateway: Gateway, services: FakeServices, capfd: pytest.CaptureFixture[str]
) -> None:
    request = f"GET /t/x HTTP/1.1\r\n{OK_HOST}Connection: Upgrade, close\r\nUpgrade: WebSocket\r\n\r\n"

    answer = await gateway.raw(request.encode())

    assert statuses(answer) == [501]
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "WEBSOCKET_NOT_SUPPORTED"
    assert services.seen == []
    assert "pip install" not in "".join(capfd.readouterr())
