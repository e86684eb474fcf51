"""The public door: the outermost layer, in front of the gateway's own FastAPI app."""

from __future__ import annotations

import random
import time

from fastapi import FastAPI
from fastapi.routing import APIRouter
from prometheus_client import Counter, Histogram
from starlette.datastructures import State
from starlette.types import Message, Receive, Scope, Send

from shared.errors import (
    AppError,
    ForbiddenError,
    MethodNotAllowedError,
    NotFoundError,
    UnauthorizedError,
)
from shared.utils.logging import logger
from shared.web.metrics import HttpMetrics
from shared.web.tracing import accept_request_id, continue_trace
from webhook_gateway.documents.pages import page
from webhook_gateway.edge import checks
from webhook_gateway.edge.addresses import client_address, is_within, rate_limit_bucket
from webhook_gateway.edge.body import RequestBody
from webhook_gateway.edge.cors import CorsPolicy
from webhook_gateway.edge.errors import ClientGoneError
from webhook_gateway.edge.exchange import Exchange
from webhook_gateway.edge.headers import request_headers, values
from webhook_gateway.identity.credentials import credential
from webhook_gateway.identity.service import Caller
from webhook_gateway.limits.repository import LimiterUnavailableError
from webhook_gateway.parts import GatewayParts
from webhook_gateway.proxy.errors import UpstreamBrokenError
from webhook_gateway.routing.table import Route, is_counted, is_public, is_upload

_CLIENT_CLOSED = 499
_SAFE = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))


class Door:
    """Checks, authenticates, counts and routes every request.

    Proxied requests and webhooks never reach FastAPI; only the gateway's own management paths do.
    """

    def __init__(self, app: FastAPI, *, parts: GatewayParts, metrics: HttpMetrics) -> None:
        self._app = app
        self._parts = parts
        self._metrics = metrics
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._cors = CorsPolicy.parse(",".join(parts.settings.cors_origins))

    @property
    def state(self) -> State:
        """The state of the app behind the door."""
        return self._app.state

    @property
    def router(self) -> APIRouter:
        """The routes and the lifespan of the app behind the door."""
        return self._app.router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(Exchange(scope, receive, send))
        else:
            await self._app(scope, receive, send)

    async def _serve(self, exchange: Exchange) -> None:
        try:
            await self._handle(exchange)
        except ClientGoneError:
            exchange.status = exchange.status or _CLIENT_CLOSED
        except UpstreamBrokenError as error:
            # Once the status line is out, an unfinished answer is the only way left to say that it failed.
            if not exchange.has_started:
                await exchange.fail(error)
        except AppError as error:
            if exchange.has_started:
                raise
            await exchange.fail(error)
        except Exception as error:  # noqa: BLE001  # the last resort: logged whole, answered without details
            logger.exception("unhandled error", error=error, request_id=exchange.request_id)
            if not exchange.has_started:
                await exchange.fail(AppError())
        finally:
            self._record(exchange)

    async def _handle(self, exchange: Exchange) -> None:
        index = exchange.index
        self._identify(exchange)
        origin = index.get(b"origin")
        exchange.answer_headers += self._cors.headers(origin)
        checks.check_method(exchange.method)
        checks.check_headers(exchange.headers)
        checks.check_upgrade(index.get(b"upgrade"))
        exchange.path = checks.routed_path(exchange.scope["raw_path"])
        checks.check_query(exchange.scope["query_string"])
        if exchange.method == "OPTIONS" and origin and b"access-control-request-method" in index:
            exchange.answer_headers = [(b"x-request-id", exchange.request_id.encode())]
            await exchange.answer(204, b"", self._cors.preflight_headers(origin))
            return
        route = self._parts.table.match(exchange.path)
        if route is None:
            raise NotFoundError
        exchange.route = route.prefix
        await self._dispatch(exchange, route)

    def _identify(self, exchange: Exchange) -> None:
        client = exchange.scope.get("client")
        peer = client[0] if client else ""
        trusted = self._parts.settings.trusted_networks
        forwarded = values(exchange.headers, b"x-forwarded-for") if trusted else []
        exchange.client = client_address(peer, forwarded, trusted)
        exchange.request_id = _request_id(exchange.index.get(b"x-request-id"))
        exchange.traceparent = _traceparent(exchange.index.get(b"traceparent"))
        exchange.answer_headers = [(b"x-request-id", exchange.request_id.encode()), *_SAFE]

    async def _dispatch(self, exchange: Exchange, route: Route) -> None:
        if route.kind == "ingest":
            await self._parts.endpoint.handle(exchange)
        elif route.kind == "open":
            await self._answer_open(exchange)
        else:
            caller = await self._admit(exchange, route)
            if route.kind == "own":
                await self._delegate(exchange, caller)
            else:
                await self._forward(exchange, route, caller)

    async def _admit(self, exchange: Exchange, route: Route) -> Caller | None:
        """The caller, counted; None on a path that needs none."""
        bucket = rate_limit_bucket(exchange.client)
        caller = None
        if not is_public(route, exchange.method, exchange.path):
            caller = await self._authenticate(exchange, bucket)
            exchange.tenant_id = str(caller.identity.tenant_id)
        if is_counted(route, exchange.method, exchange.path) and self._parts.settings.rate_limit_enabled:
            await self._count(exchange, caller.limit_key if caller else f"ip:{bucket}")
        return caller

    async def _authenticate(self, exchange: Exchange, bucket: str) -> Caller:
        """The caller. Guessing credentials ends in 429; good ones from the same address pass."""
        guard, authenticator = self._parts.credential_guard, self._parts.authenticator
        found = credential(exchange.headers)
        if found is None:
            raise UnauthorizedError
        if found.key is not None and not authenticator.remembers(found.key):
            guard.check(bucket)
        try:
            return await authenticator.authenticate(found)
        except UnauthorizedError as error:
            if error.details is None:  # else it has merely expired or was ended
                guard.check(bucket)
                guard.note(bucket)
            raise

    async def _count(self, exchange: Exchange, key: str) -> None:
        try:
            verdict = await self._parts.limiter.take(key)
        except LimiterUnavailableError as error:
            # Open rather than closed: without its counters the gateway still protects by identity.
            logger.warning("requests are not counted", error=error)
            return
        exchange.answer_headers += verdict.headers()
        verdict.check()

    async def _forward(self, exchange: Exchange, route: Route, caller: Caller | None) -> None:
        settings = self._parts.settings
        upload = is_upload(exchange.method, exchange.path)
        limit = settings.max_upload_bytes if upload else settings.max_body_bytes
        exchange.service = route.service
        await self._parts.proxy.forward(
            exchange,
            service=route.service,
            body=self._body(exchange, limit),
            authorization=caller.authorization if caller else exchange.index.get(b"authorization"),
        )

    def _body(self, exchange: Exchange, limit: int) -> RequestBody:
        patience = self._parts.settings.client_patience
        return RequestBody(exchange.receive, exchange.index, limit, patience=patience)

    async def _delegate(self, exchange: Exchange, caller: Caller | None) -> None:
        """Hand over to the gateway's own FastAPI app, as if it were a service behind the door."""
        kept = [
            (n, v)
            for n, v in request_headers(exchange.headers, exchange.index.get(b"connection"))
            if n != b"authorization"
        ]
        kept += [(b"host", b"gateway"), (b"x-request-id", exchange.request_id.encode())]
        kept.append((b"traceparent", exchange.traceparent.encode()))
        if caller is not None:
            kept.append((b"authorization", caller.authorization))
        body = await self._body(exchange, self._parts.settings.max_body_bytes).read()
        exchange.is_delegated = True
        receive = _again(body, exchange.receive)
        await self._app({**exchange.scope, "headers": kept}, receive, exchange.send_from_app)

    async def _answer_open(self, exchange: Exchange) -> None:
        if exchange.method not in ("GET", "HEAD"):
            raise MethodNotAllowedError(headers={"Allow": "GET, HEAD"})
        documentation = page(exchange.path)
        if documentation is not None:
            await exchange.answer(200, *documentation)
        elif exchange.path == "/openapi.json":
            body = await self._parts.document.render()
            await exchange.answer(200, body, [(b"content-type", b"application/json")])
        elif exchange.path in ("/health", "/api/v2/webhooks/health"):
            await self._answer_health(exchange)
        elif exchange.path in ("/ready", "/version"):
            await self._delegate(exchange, None)
        elif exchange.path == "/metrics":
            self._check_metrics_reader(exchange)
            await self._delegate(exchange, None)
        else:
            raise NotFoundError

    async def _answer_health(self, exchange: Exchange) -> None:
        database = await self._parts.runtime.db.health_check()
        if exchange.path == "/health":
            await exchange.succeed(await self._parts.overview.report(database=database))
        else:
            await exchange.succeed({"service": "webhooks", "status": "healthy" if database else "unhealthy"})

    def _check_metrics_reader(self, exchange: Exchange) -> None:
        if not is_within(exchange.client, self._parts.settings.metrics_allowed):
            raise ForbiddenError("Metrics are for METRICS_NETWORKS only")

    def _count_answer(self, method: str, route: str, status: int, seconds: float) -> None:
        key = (method if method in checks.METHODS else "other", route, status)
        series = self._series.get(key)
        if series is None:
            requests = self._metrics.requests.labels(key[0], route, str(status))
            series = self._series[key] = (requests, self._metrics.seconds.labels(route))
        series[0].inc()
        series[1].observe(seconds)

    def _record(self, exchange: Exchange) -> None:
        if exchange.is_delegated:
            return
        seconds = time.perf_counter() - exchange.started_at
        self._count_answer(exchange.method, exchange.route, exchange.status, seconds)
        self._parts.access_log.write(
            {
                "service": "webhook-gateway",
                "method": exchange.method,
                "route": exchange.route,
                "upstream": exchange.service,
                "status": exchange.status,
                "milliseconds": round(seconds * 1000, 2),
                "request_id": exchange.request_id,
                "tenant_id": exchange.tenant_id,
                "client": exchange.client,
            }
        )


def _again(body: bytes, receive: Receive) -> Receive:
    """The body that was read, for who has not seen it; then what comes after it."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    return receive_again


def _request_id(given: bytes | None) -> str:
    if given is not None:
        return accept_request_id(given.decode("latin-1"))
    return f"{random.getrandbits(128):032x}"


def _traceparent(given: bytes | None) -> str:
    if given is not None:
        return continue_trace(given.decode("latin-1"))
    # Trace ids have to be different, not secret: this is ten times cheaper than asking the system.
    return f"00-{random.getrandbits(128) | 1:032x}-{random.getrandbits(64) | 1:016x}-01"
