"""Which headers get through, tried with every alias a server behind us might fold."""

from __future__ import annotations

from .support import FakeServices, Gateway

FORGED = [
    "X-User-Id",
    "X-Tenant-Id",
    "X-Role",
    "X-Roles",
    "X-Scopes",
    "X-Service-Key",
    "X-Internal-Caller",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Prefix",
    "X-Real-IP",
    "X-Original-URL",
    "X-Envoy-Original-Path",
    "X-Authenticated-User",
    "Remote-User",
    "Forwarded",
]


def aliases(name: str) -> list[str]:
    return [name, name.upper(), name.replace("-", "_"), name.replace("-", "."), name.replace("-", "_", 1)]


async def test_identity_and_forwarding_headers_of_a_client_never_arrive(
    gateway: Gateway, services: FakeServices, auth: dict[str, str]
) -> None:
    lines = "".join(f"{alias}: evil-value\r\n" for name in FORGED for alias in aliases(name))
    head = f"GET /api/v2/contacts HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n{lines}"

    answer = await gateway.raw(f"{head}Authorization: {auth['Authorization']}\r\n\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 200")
    assert "evil-value" not in [value for _, value in services.seen[0].headers]


async def test_api_key_is_not_sent_on(gateway: Gateway, services: FakeServices) -> None:
    await gateway.http.get("/api/v2/contacts", headers={"X-API-Key": "good-1"})

    seen = services.seen[-1]
    assert seen.path == "/api/v2/contacts"
    assert seen.header("x-api-key") is None
    assert (seen.header("authorization") or "").startswith("Bearer ")


async def test_connection_header_cannot_remove_identity_or_content(
    gateway: Gateway, services: FakeServices, auth: dict[str, str]
) -> None:
    await gateway.http.post(
        "/api/v2/contacts",
        headers={
            **auth,
            "Connection": "close, Authorization, X-Request-Id, X-Forwarded-For, Content-Type, X-Gone",
            "X-Gone": "1",
            "Content-Type": "application/json",
        },
        content=b"{}",
    )

    seen = services.seen[-1]
    assert seen.header("authorization") == auth["Authorization"]
    assert seen.header("x-request-id")
    assert seen.header("x-forwarded-for") == "127.0.0.1"
    assert seen.header("content-type") == "application/json"
    assert seen.header("x-gone") is None


async def test_hop_by_hop_headers_stop_here(
    gateway: Gateway, services: FakeServices, auth: dict[str, str]
) -> None:
    names = ["Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer"]

    await gateway.http.get("/api/v2/contacts", headers={**auth, **dict.fromkeys(names, "trailers")})

    for name in names:
        assert services.seen[-1].header(name.lower()) is None


async def test_forwarded_address_of_an_untrusted_peer_is_ignored(
    gateway: Gateway, services: FakeServices
) -> None:
    await gateway.http.get("/t/o/x", headers={"X-Forwarded-For": "203.0.113.9"})

    assert services.seen[-1].values("x-forwarded-for") == ["127.0.0.1"]
