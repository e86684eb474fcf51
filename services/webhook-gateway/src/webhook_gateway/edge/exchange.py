"""One request and its answer, as the door handles them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import orjson
from starlette.types import Message, Receive, Scope, Send

from shared.errors import AppError
from shared.utils.clock import format_date, utc_now
from webhook_gateway.edge.headers import Headers

_TOO_LARGE = 413
_LINGER_SECONDS = 2.0
_JSON = (b"content-type", b"application/json")


class Exchange:
    """What is known of a request so far, and the headers its answer gets whoever writes it.

    `index` gives the first value of a header by its lower-case name.
    """

    __slots__ = (
        "answer_headers",
        "client",
        "headers",
        "index",
        "is_delegated",
        "method",
        "path",
        "receive",
        "request_id",
        "route",
        "scope",
        "send",
        "service",
        "started_at",
        "status",
        "tenant_id",
        "traceparent",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.headers: Headers = scope["headers"]
        self.index = dict(reversed(self.headers))
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.client = ""
        self.request_id = ""
        self.traceparent = ""
        self.service = "webhook-gateway"
        self.route = "unmatched"
        self.is_delegated = False
        self.tenant_id: str | None = None
        self.answer_headers: Headers = []
        self.status = 0
        self.started_at = time.perf_counter()

    @property
    def has_started(self) -> bool:
        """Whether a status line has gone to the client."""
        return self.status != 0

    async def start(self, status: int, headers: Headers) -> None:
        self.status = status
        await self.send(
            {"type": "http.response.start", "status": status, "headers": headers + self.answer_headers}
        )

    async def body(self, data: bytes, *, more: bool = False) -> None:
        await self.send({"type": "http.response.body", "body": data, "more_body": more})

    async def answer(self, status: int, body: bytes, headers: Headers) -> None:
        """A whole answer; the body is left out for HEAD."""
        await self.start(status, [*headers, (b"content-length", str(len(body)).encode())])
        await self.body(b"" if self.method == "HEAD" else body, more=status == _TOO_LARGE)
        if status == _TOO_LARGE:
            await self._linger()
            await self.body(b"")

    async def _linger(self) -> None:
        """Read on for a moment: closing on a client that still sends would throw the answer away unread."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                message = await self.receive()
                while message["type"] == "http.request" and message.get("more_body"):
                    message = await self.receive()

    async def answer_json(self, status: int, payload: dict[str, Any], headers: Headers | None = None) -> None:
        await self.answer(status, orjson.dumps(payload), [_JSON, *(headers or [])])

    async def succeed(self, data: object, *, status: int = 200, message: str | None = None) -> None:
        """The success envelope."""
        await self.answer_json(
            status,
            {
                "success": True,
                "data": data,
                "message": message,
                "meta": None,
                "error": None,
                "timestamp": format_date(utc_now()),
            },
        )

    async def fail(self, error: AppError) -> None:
        """The error envelope with the status of the error's class."""
        extra = [(k.lower().encode(), v.encode()) for k, v in error.headers.items()]
        payload = {
            "success": False,
            "error": {
                "code": error.code,
                "message": error.message,
                "field": error.field,
                "details": error.details,
                "correlation_id": self.request_id or None,
            },
            "timestamp": format_date(utc_now()),
        }
        await self.answer_json(error.status, payload, extra)

    async def send_from_app(self, message: Message) -> None:
        """`send` for an ASGI app behind the door: adds the headers every answer gets."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            ours = {name for name, _ in self.answer_headers}
            kept = [(n, v) for n, v in message.get("headers", []) if n.lower() not in ours]
            message = {**message, "headers": kept + self.answer_headers}
        await self.send(message)
