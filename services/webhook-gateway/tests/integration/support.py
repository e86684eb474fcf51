"""A running gateway on a real port, and small services behind it, for tests of both."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import orjson
import uvicorn
from starlette.types import Receive, Scope, Send

from shared.database import SimpleDatabase
from shared.testing import TokenMint
from webhook_gateway.door import Door

_STOP_SECONDS = 45.0


@dataclass
class Seen:
    """A request as a service behind the gateway saw it."""

    method: str
    path: str
    raw_path: bytes
    query: bytes
    headers: list[tuple[str, str]]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str | None:
        found = self.values(name)
        return found[0] if found else None


@dataclass
class FakeServices:
    """Stands where the services stand; behaves as `?behave=` says and remembers what it saw."""

    mint: TokenMint
    tenant_id: UUID
    seen: list[Seen] = field(default_factory=list)
    exchanges: int = 0
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    openapi: dict[str, Any] = field(default_factory=dict)
    url: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        behave = httpx.QueryParams(scope["query_string"].decode()).get("behave", "echo")
        if behave == "upload":
            await self._upload(scope, receive, send)
            return
        body = await _read(receive)
        self.seen.append(_seen(scope, body))
        if scope["path"] == "/internal/api-keys/exchange":
            await self._exchange(body, send)
        elif scope["path"] == "/.well-known/jwks.json":
            await _json(send, 200, await self.mint.fetch_jwks())
        elif scope["path"] == "/openapi.json":
            await _json(send, 200, self.openapi)
        elif behave == "echo":
            await _json(send, 200, {"path": scope["path"], "bytes": len(body)})
        else:
            await getattr(self, f"_{behave}")(receive, send)

    async def _exchange(self, body: bytes, send: Send) -> None:
        self.exchanges += 1
        await asyncio.sleep(0.05)
        key = orjson.loads(body)["key"]
        if not key.startswith("good"):
            await _json(send, 401, {"success": False, "error": {"code": "UNAUTHORIZED", "message": "no"}})
            return
        key_id = UUID(int=7)
        token = self.mint.token(self.tenant_id, "operator", user_id=key_id, knd="api_key", sid=None)
        data = {
            "access_token": token,
            "expires_in": 600,
            "tenant_id": str(self.tenant_id),
            "key_id": str(key_id),
            "scopes": [],
        }
        await _json(send, 200, {"success": True, "data": data})

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.hung_up.set()
                return
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        self.seen.append(_seen(scope, b""))
        await _json(send, 200, {"bytes": size})

    async def _slow(self, receive: Receive, send: Send) -> None:
        message = await receive()
        if message["type"] == "http.disconnect":
            self.hung_up.set()

    async def _drop(self, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"1000000"), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})

    async def _drop_small(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})

    async def _events(self, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number in range(3):
            await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
            await asyncio.sleep(0.1)
        await send({"type": "http.response.body", "body": b""})

    async def _trickle(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(10):
            await send({"type": "http.response.body", "body": b"row\n", "more_body": True})
            await asyncio.sleep(0.1)
        await send({"type": "http.response.body", "body": b""})

    async def _headers(self, receive: Receive, send: Send) -> None:
        headers = [
            (b"content-length", b"2"),
            (b"set-cookie", b"a=1"),
            (b"set-cookie", b"b=2"),
            (b"x-internal-secret", b"no"),
            (b"x-hop", b"no"),
            (b"connection", b"x-hop"),
            (b"access-control-allow-origin", b"*"),
            (b"etag", b'"1"'),
            (b"referrer-policy", b"no-referrer"),
        ]
        await send({"type": "http.response.start", "status": 203, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    async def _redirect(self, receive: Receive, send: Send) -> None:
        headers = [(b"location", b"http://elsewhere.test/"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 302, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _gzip(self, receive: Receive, send: Send) -> None:
        headers = [(b"content-encoding", b"gzip"), (b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"\x1f\x8b\x00\x01"})


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


def _seen(scope: Scope, body: bytes) -> Seen:
    headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]]
    return Seen(scope["method"], scope["path"], scope["raw_path"], scope["query_string"], headers, body)


async def _json(send: Send, status: int, payload: object) -> None:
    body = orjson.dumps(payload)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(app: Any, config: uvicorn.Config | None = None) -> AsyncIterator[int]:
    """Run an app under uvicorn; the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = config or uvicorn.Config(app, http="httptools", ws="none", lifespan="off", log_config=None)
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        if task.done():
            task.result()
            raise RuntimeError("the server did not start")
        await asyncio.sleep(0.01)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        done, _ = await asyncio.wait([task], timeout=_STOP_SECONDS)
        if not done:
            stuck = "\n".join(str(other.get_coro()) for other in asyncio.all_tasks())
            raise RuntimeError(f"the server did not stop; still running:\n{stuck}")
        task.result()


@dataclass
class Gateway:
    """A running gateway: `http` calls it, `db` is its database as its runtime role."""

    port: int
    app: Door
    db: SimpleDatabase
    http: httpx.AsyncClient

    async def raw(self, request: bytes, *, wait: float = 3.0) -> bytes:
        """Send bytes on their own connection; what comes back until it is closed or silent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            await writer.drain()
            answer = b""
            try:
                async with asyncio.timeout(wait):
                    while piece := await reader.read(65536):
                        answer += piece
            except (TimeoutError, ConnectionResetError):
                pass
            return answer
        finally:
            writer.close()


StartGateway = Callable[..., Awaitable[Gateway]]

HEADER = "type,timeLogged,orig,rcpt,dsnStatus\r\n"
ROW = "d,2026-02-08 21:54:05+0000,b@bounce.example.com,a@example.com,2.0.0 (success)\r\n"


async def make_source(gateway: Gateway, auth: dict[str, str], kind: str, **more: Any) -> dict[str, Any]:
    answer = await gateway.http.post(
        "/webhook-sources", headers=auth, json={"name": f"my {kind}", "type": kind, **more}
    )
    assert answer.status_code == 201, answer.text
    source: dict[str, Any] = answer.json()["data"]
    return source


async def published(db: SimpleDatabase, tenant: UUID) -> list[dict[str, Any]]:
    """Events that left the outbox for the bus or still wait in it, oldest first."""
    async with db.tenant_tx(tenant) as tx:
        waiting = await tx.fetch("SELECT id, type, data FROM outbox ORDER BY id")
    return [dict(row) for row in waiting]


async def events(gateway: Gateway, auth: dict[str, str], query: str = "") -> list[dict[str, Any]]:
    answer = await gateway.http.get(f"/webhook-events{query}", headers=auth)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found
