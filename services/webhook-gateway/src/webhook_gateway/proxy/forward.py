"""The proxy: one aiohttp session, streaming both ways with backpressure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache

import aiohttp
from multidict import istr
from yarl import URL

from shared.web.dependencies import PATIENCE_HEADER
from webhook_gateway.edge.body import RequestBody
from webhook_gateway.edge.errors import ClientGoneError
from webhook_gateway.edge.exchange import Exchange
from webhook_gateway.edge.headers import request_headers, response_headers
from webhook_gateway.edge.trace import tracestate
from webhook_gateway.proxy.errors import UpstreamBrokenError, UpstreamTimeoutError, UpstreamUnreachableError
from webhook_gateway.proxy.supervise import Reason, Supervisor
from webhook_gateway.settings import GatewaySettings

_WHOLE_ANSWER_BYTES = 64 * 1024
_READ_BUFFER_BYTES = 64 * 1024
_MAX_CONNECTIONS_PER_SERVICE = 512
# Half of what the services allow, so that we never reuse a connection one of them is just closing.
_KEEP_ALIVE_SECONDS = 15.0
_AUTO_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class Proxy:
    """Sends exchanges to services by name. It owns the connections between `open` and `close`."""

    def __init__(self, urls: Mapping[str, str], settings: GatewaySettings) -> None:
        self._bases = {name: url.rstrip("/").encode() for name, url in urls.items()}
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._port = str(_public_port(settings.public_url))
        self._scheme = settings.public_url.partition(":")[0]

    async def open(self) -> None:
        connect = self._settings.proxy_connect_timeout
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                limit_per_host=_MAX_CONNECTIONS_PER_SERVICE,
                keepalive_timeout=_KEEP_ALIVE_SECONDS,
                ttl_dns_cache=10,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_AUTO_HEADERS,
            read_bufsize=_READ_BUFFER_BYTES,
            trust_env=False,
            # Only for making a connection; the supervisor watches the rest with one timer instead of three.
            timeout=aiohttp.ClientTimeout(total=None, connect=connect, sock_connect=connect),
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def forward(
        self, exchange: Exchange, *, service: str, body: RequestBody, authorization: bytes | None
    ) -> None:
        """Proxy one exchange.

        Raises an `AppError` while nothing has been sent to the client; a service that breaks off later leaves
        the answer unfinished, which closes the client's connection. Raises `ClientGoneError` on disconnect.
        """
        body.check_declared_length()
        first_piece = await body.next_piece() if body.is_expected else b""
        patience, total = self._time_limits(exchange, body)
        supervisor = Supervisor(exchange.receive, body, patience=patience, total=total)
        try:
            response = await self._send(exchange, service, body, first_piece, authorization, patience)
            try:
                await _relay(exchange, response, body, supervisor)
            finally:
                # Closes the connection unless the answer was read to its end: then it is back in the pool.
                response.close()
        except asyncio.CancelledError:
            if supervisor.reason is None:
                raise
            raise _ended(supervisor.reason, exchange, service) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _failure(error, exchange, service, body) from error
        finally:
            supervisor.stop()

    async def _send(
        self,
        exchange: Exchange,
        service: str,
        body: RequestBody,
        first_piece: bytes,
        authorization: bytes | None,
        patience: float | None,
    ) -> aiohttp.ClientResponse:
        assert self._session is not None, "open the proxy first"
        return await self._session.request(
            exchange.method,
            self._target(service, exchange),
            headers=self._request_headers(exchange, body, authorization, patience),
            data=_payload(body, first_piece),
            allow_redirects=False,
        )

    def _target(self, service: str, exchange: Exchange) -> URL:
        raw_path: bytes = exchange.scope["raw_path"]
        query: bytes = exchange.scope["query_string"]
        target = self._bases[service] + raw_path + (b"?" + query if query else b"")
        return URL(target.decode("ascii"), encoded=True)

    def _request_headers(
        self, exchange: Exchange, body: RequestBody, authorization: bytes | None, patience: float | None
    ) -> list[tuple[str, str]]:
        headers: list[tuple[str, str]] = [
            (_name(name), _text(value))
            for name, value in request_headers(exchange.headers, exchange.index.get(b"connection"))
            if name != b"authorization" and (name != b"content-length" or body.length)
        ]
        if authorization is not None:
            headers.append(("authorization", _text(authorization)))
        if patience is not None:
            headers.append((PATIENCE_HEADER, str(int(patience * 1000))))
        headers += [
            ("x-request-id", exchange.request_id),
            ("traceparent", exchange.traceparent),
            ("x-forwarded-for", exchange.client),
            ("x-forwarded-proto", self._scheme),
            ("x-forwarded-port", self._port),
            ("x-forwarded-host", _text(exchange.index.get(b"host", b""))),
        ]
        state = tracestate(exchange.index.get(b"tracestate"))
        if state is not None:
            headers.append(("tracestate", _text(state)))
        return headers

    def _time_limits(self, exchange: Exchange, body: RequestBody) -> tuple[float | None, float | None]:
        """Longest silence and longest duration in seconds; a stream of events has neither."""
        settings = self._settings
        if b"text/event-stream" in exchange.index.get(b"accept", b""):
            return None, None
        is_large = not body.finished or (body.length or 0) > _WHOLE_ANSWER_BYTES
        total = settings.proxy_upload_timeout if is_large else settings.proxy_total_timeout
        return settings.proxy_first_byte_timeout, total


def _payload(body: RequestBody, first_piece: bytes) -> bytes | AsyncIterator[bytes] | None:
    if not body.is_expected:
        return None
    if body.finished:
        return first_piece
    return body.stream(first_piece)


def _public_port(url: str) -> int:
    return URL(url).port or 80


@lru_cache(maxsize=4096)
def _name(name: bytes) -> istr:
    return istr(name.decode("latin-1"))


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _failure(error: Exception, exchange: Exchange, service: str, body: RequestBody) -> Exception:
    """What a failed exchange with a service means for the client."""
    if body.failure is not None and not exchange.has_started:
        return body.failure
    if exchange.has_started:
        return UpstreamBrokenError(service)
    if isinstance(error, aiohttp.ConnectionTimeoutError | aiohttp.ClientConnectorError):
        return UpstreamUnreachableError(service)
    return UpstreamTimeoutError(service) if isinstance(error, TimeoutError) else UpstreamBrokenError(service)


def _ended(reason: Reason, exchange: Exchange, service: str) -> Exception:
    if reason == "client_gone":
        return ClientGoneError()
    return UpstreamBrokenError(service) if exchange.has_started else UpstreamTimeoutError(service)


async def _relay(
    exchange: Exchange, response: aiohttp.ClientResponse, body: RequestBody, supervisor: Supervisor
) -> None:
    headers = response_headers(response.raw_headers)
    if not body.finished:
        headers.append((b"connection", b"close"))
    if exchange.method == "HEAD" or response.status in (204, 304):
        await exchange.start(response.status, headers)
        await exchange.body(b"")
        return
    length = response.content_length
    if length is not None and length <= _WHOLE_ANSWER_BYTES:
        data = await response.read()
        await exchange.start(response.status, headers)
        await exchange.body(data)
        return
    supervisor.allow_length()
    await exchange.start(response.status, headers)
    async for piece in response.content.iter_any():
        supervisor.progress()
        await exchange.body(piece, more=True)
        supervisor.progress()
    await exchange.body(b"")
