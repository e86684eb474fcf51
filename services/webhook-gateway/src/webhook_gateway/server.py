"""uvicorn, with limits on the head of a request and with our envelope for what it refuses itself."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.utils.clock import format_date, utc_now
from webhook_gateway.edge.checks import MAX_HEADER_BYTES

HEAD_SECONDS = 15.0
KEEP_ALIVE_SECONDS = 30
_LINGER_SECONDS = 1.0


class BoundedHttpProtocol(HttpToolsProtocol):
    """Closes connections whose request line and headers take over 64 KiB or over 15 s to arrive."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = False
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEADER_BYTES and not self.transport.is_closing():
                self._refuse(431, "HEADERS_TOO_LARGE", "Request headers are too large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._await_head()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_timer()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "MALFORMED_REQUEST", "The request is not valid HTTP")

    def _unsupported_upgrade_warning(self) -> None:
        """Anybody can ask for one; what they ask for is answered without it, or refused by the door."""

    def _await_head(self) -> None:
        self._in_head = True
        self._stop_timer()
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_too_slow)

    def _head_too_slow(self) -> None:
        if not self.transport.is_closing():
            self._refuse(408, "REQUEST_TIMEOUT", "The request did not arrive in time")

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: int, code: str, message: str) -> None:
        error = {"code": code, "message": message, "field": None, "details": None, "correlation_id": None}
        body = orjson.dumps({"success": False, "error": error, "timestamp": format_date(utc_now())})
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self._is_refused = True
        self._stop_timer()
        if self._abandon_cycle():
            self.transport.close()
            return
        self.transport.write(head.encode() + body)
        self.transport.write_eof()
        # Closing on a client that still sends would throw the answer away unread.
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def _abandon_cycle(self) -> bool:
        """Let the request being handled end as if its client had gone; True when its answer has begun."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        cycle.disconnected = True
        cycle.message_event.set()
        return cycle.response_started


def server_config(app: Any, host: str, port: int) -> uvicorn.Config:
    """How the gateway is served. Forwarding headers are the door's business, not the server's."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=BoundedHttpProtocol,
        ws="none",
        loop="auto",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        backlog=4096,
        timeout_graceful_shutdown=20,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


def serve(app: Any, host: str, port: int) -> None:
    """Serve until a signal."""
    uvicorn.Server(server_config(app, host, port)).run()
