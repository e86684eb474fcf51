"""The proxy: one aiohttp session, streaming both ways with backpressure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from functools import lru_cache

import aiohttp
from yarl import URL

from webhook_gateway.edge.body import RequestBody
from webhook_gateway.edge.errors import ClientGoneError
from webhook_gateway.edge.exchange import Exchange
from webhook_gateway.edge.headers import Headers, first, request_headers, response_headers
from webhook_gateway.edge.trace import tracestate
from webhook_gateway.proxy.errors import UpstreamBrokenError, UpstreamTimeoutError, UpstreamUnreachableError
from webhook_gateway.proxy.watch import DisconnectWatch
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
        self._port = str(_public_port(settings.public_url)).encode()
        self._scheme = settings.public_url.partition(":")[0].encode()

    async def open(self) -> None:
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
        watch = DisconnectWatch(exchange.receive, body)
        try:
            await self._exchange(exchange, service, body, first_piece, authorization)
        except asyncio.CancelledError:
            if watch.fired:
                raise ClientGoneError from None
            raise
        except (aiohttp.ClientError, TimeoutError) as error:
            if body.too_large:
                raise body.refusal() from None
            if body.client_gone:
                raise ClientGoneError from None
            if exchange.has_started:
                raise UpstreamBrokenError(service) from error
            raise _translate(error, service) from error
        finally:
            watch.stop()

    async def _exchange(
        self,
        exchange: Exchange,
        service: str,
        body: RequestBody,
        first_piece: bytes,
        authorization: bytes | None,
    ) -> None:
        assert self._session is not None, "open the proxy first"
        loop = asyncio.get_running_loop()
        patience = self._settings.proxy_first_byte_timeout
        headers = self._request_headers(exchange, body, authorization)
        async with asyncio.timeout(patience) as deadline:

            def extend() -> None:
                deadline.reschedule(loop.time() + patience)

            response = await self._session.request(
                exchange.method,
                self._target(service, exchange),
                headers=headers,
                data=_payload(body, first_piece, extend),
                allow_redirects=False,
                timeout=self._timeouts(exchange, body),
            )
        try:
            await _relay(exchange, response, body)
        finally:
            # Closes the connection unless the answer was read to its end: then it is back in the pool.
            response.close()

    def _target(self, service: str, exchange: Exchange) -> URL:
        raw_path: bytes = exchange.scope["raw_path"]
        query: bytes = exchange.scope["query_string"]
        target = self._bases[service] + raw_path + (b"?" + query if query else b"")
        return URL(target.decode("ascii"), encoded=True)

    def _request_headers(
        self, exchange: Exchange, body: RequestBody, authorization: bytes | None
    ) -> list[tuple[str, str]]:
        headers = [
            (name, value)
            for name, value in request_headers(exchange.headers)
            if name != b"authorization" and (name != b"content-length" or body.length)
        ]
        if authorization is not None:
            headers.append((b"authorization", authorization))
        headers += self._our_headers(exchange)
        return [(_text(name), _text(value)) for name, value in headers]

    def _our_headers(self, exchange: Exchange) -> Headers:
        headers = [
            (b"x-request-id", exchange.request_id.encode()),
            (b"traceparent", exchange.traceparent),
            (b"x-forwarded-for", exchange.client.encode()),
            (b"x-forwarded-proto", self._scheme),
            (b"x-forwarded-port", self._port),
            (b"x-forwarded-host", first(exchange.headers, b"host") or b""),
        ]
        state = tracestate(first(exchange.headers, b"tracestate"))
        return [*headers, (b"tracestate", state)] if state else headers

    def _timeouts(self, exchange: Exchange, body: RequestBody) -> aiohttp.ClientTimeout:
        settings = self._settings
        if b"text/event-stream" in (first(exchange.headers, b"accept") or b""):
            return _timeouts(None, None, settings.proxy_connect_timeout)
        is_large = not body.finished or (body.length or 0) > _WHOLE_ANSWER_BYTES
        total = settings.proxy_upload_timeout if is_large else settings.proxy_total_timeout
        return _timeouts(total, settings.proxy_first_byte_timeout, settings.proxy_connect_timeout)


@lru_cache(maxsize=16)
def _timeouts(total: float | None, silence: float | None, connect: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=total, sock_read=silence, sock_connect=connect, connect=connect)


def _payload(
    body: RequestBody, first_piece: bytes, extend: Callable[[], None]
) -> bytes | AsyncIterator[bytes] | None:
    if not body.is_expected:
        return None
    if body.finished:
        return first_piece
    return body.stream(first_piece, extend)


def _public_port(url: str) -> int:
    return URL(url).port or 80


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _translate(error: Exception, service: str) -> Exception:
    if isinstance(error, aiohttp.ConnectionTimeoutError | aiohttp.ClientConnectorError):
        return UpstreamUnreachableError(service)
    if isinstance(error, TimeoutError):
        return UpstreamTimeoutError(service)
    return UpstreamBrokenError(service)


async def _relay(exchange: Exchange, response: aiohttp.ClientResponse, body: RequestBody) -> None:
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
    await exchange.start(response.status, headers)
    async for piece in response.content.iter_any():
        await exchange.body(piece, more=True)
    await exchange.body(b"")
