"""The outermost layer of a service: ids, trace context, body limit, access log, last-resort errors."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import structlog
from starlette.exceptions import HTTPException

from shared.errors import AppError
from shared.utils.logging import log_request, logger
from shared.web.errors import render_error
from shared.web.methods import methods_of_path
from shared.web.metrics import HttpMetrics
from shared.web.tracing import accept_request_id, continue_trace

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
_QUIET = {"/health", "/ready", "/metrics", "/version"}


class EdgeMiddleware:
    """Plain ASGI, because it runs for every request.

    `body_limits` maps a path pattern to its own limit in bytes; other paths have `max_body`.
    """

    def __init__(
        self, app: App, *, metrics: HttpMetrics, max_body: int, body_limits: Mapping[str, int] | None = None
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._max_body = max_body
        self._limits = [(re.compile(pattern), limit) for pattern, limit in (body_limits or {}).items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD" and "HEAD" not in methods_of_path(scope):
            # As RFC 9110 wants it, with the headers of GET; the server leaves the body out.
            scope = {**scope, "method": "GET"}
        headers = dict(scope["headers"])
        request_id = accept_request_id(headers.get(b"x-request-id", b"").decode("latin-1"))
        trace = continue_trace(headers.get(b"traceparent", b"").decode("latin-1"))
        scope.setdefault("state", {})["request_id"] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id, traceparent=trace):
            await self._serve(scope, receive, send, request_id)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, self._limited(scope, receive), send_with_id)
        except AppError as error:
            if status:
                raise
            await render_error(error, request_id)(scope, receive, send_with_id)
        except Exception as error:  # noqa: BLE001  # the last resort: logged whole, answered without details
            logger.exception("unhandled error", error=error)
            if not status:
                await render_error(AppError(), request_id)(scope, receive, send_with_id)
        finally:
            self._record(scope, status or 499, time.perf_counter() - started)

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        limit = self._limit(scope["path"])
        declared = dict(scope["headers"]).get(b"content-length", b"")
        # The framework passes on HTTPException from inside body parsing, and turns all else into a 400.
        too_large = HTTPException(413, f"The body may have at most {limit} bytes")
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            if declared.isdigit() and int(declared) > limit:
                raise too_large
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise too_large
            return message

        return counted

    def _limit(self, path: str) -> int:
        return next((limit for pattern, limit in self._limits if pattern.search(path)), self._max_body)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.observe(scope["method"], route, status, seconds)
        if route not in _QUIET:
            log_request(
                method=scope["method"],
                route=route,
                status=status,
                milliseconds=round(seconds * 1000, 2),
            )
