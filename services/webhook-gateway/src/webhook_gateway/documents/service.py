"""Fetches the services' documents and keeps the merged one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import orjson

from shared.utils.clock import Clock
from shared.utils.logging import logger
from webhook_gateway.documents.merge import Document, merge
from webhook_gateway.ingest.documentation import WEBHOOK_SECURITY_SCHEMES, webhook_paths
from webhook_gateway.routing.table import GATEWAY, RoutingTable, is_counted, is_public

_FRESH_SECONDS = 60.0
_RETRY_SECONDS = 5.0
_MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
_PARAMETER = re.compile(r"\{[^}]*\}")
_UPSTREAM_ANSWERS = {
    "502": "The service behind broke off its answer; its name is in the details",
    "503": "The service behind cannot be reached; its name is in the details",
    "504": "The service behind did not answer in time; its name is in the details",
}
_TIMEOUT = aiohttp.ClientTimeout(total=20)


class ApiDocument:
    """The merged document as JSON, fresh for a minute.

    A service that does not answer keeps its last known part; while one has none yet, the document is made
    again after five seconds.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        urls: Mapping[str, str],
        table: RoutingTable,
        own: Callable[[], Document],
        *,
        public_url: str,
        clock: Clock,
    ) -> None:
        self._session = session
        self._urls = urls
        self._table = table
        self._own = own
        self._public_url = public_url
        self._clock = clock
        self._parts: dict[str, Document] = {}
        self._merged = b""
        self._fresh_until = float("-inf")
        self._lock = asyncio.Lock()

    async def render(self) -> bytes:
        if self._clock.monotonic() < self._fresh_until:
            return self._merged
        async with self._lock:
            if self._clock.monotonic() >= self._fresh_until:
                await self._refresh()
        return self._merged

    async def _refresh(self) -> None:
        names = self._table.services()
        fetched = await asyncio.gather(*(self._fetch(name) for name in names))
        self._parts |= {name: part for name, part in zip(names, fetched, strict=True) if part is not None}
        parts = {name: self._parts[name] for name in names if name in self._parts}
        merged = await asyncio.to_thread(self._merge, {**parts, GATEWAY: self._own()})
        self._merged = merged
        complete = len(parts) == len(names)
        self._fresh_until = self._clock.monotonic() + (_FRESH_SECONDS if complete else _RETRY_SECONDS)

    def _merge(self, parts: Mapping[str, Document]) -> bytes:
        document = merge(
            parts,
            is_reachable=self._table.serves,
            is_public=self._is_public,
            door_answers=self._door_answers,
            public_url=self._public_url,
            extra_paths=webhook_paths(),
            extra_schemes=WEBHOOK_SECURITY_SCHEMES,
        )
        return orjson.dumps(document)

    def _is_public(self, method: str, path: str) -> bool:
        route = self._table.match(path)
        return route is not None and is_public(route, method, _sample(path))

    def _door_answers(self, method: str, path: str) -> dict[str, str]:
        route = self._table.match(path)
        if route is None or route.kind not in ("upstream", "own"):
            return {}
        answers = {} if self._is_public(method, path) else {"401": "Who are you?"}
        if is_counted(route, method, _sample(path)):
            answers["429"] = "Too many requests; Retry-After tells when to come again"
        if route.kind == "upstream":
            answers |= _UPSTREAM_ANSWERS
        return answers

    async def _fetch(self, service: str) -> Document | None:
        url = f"{self._urls[service]}/openapi.json"
        try:
            async with self._session.get(url, timeout=_TIMEOUT, allow_redirects=False) as answer:
                body = await _whole(answer.content)
                document: Any = orjson.loads(body) if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
            logger.warning("no API document from a service", upstream=service, error=error)
            return None
        return document if isinstance(document, dict) else None


def _sample(path: str) -> str:
    """A path as somebody could call it."""
    return _PARAMETER.sub("sample", path)


async def _whole(content: aiohttp.StreamReader) -> bytes:
    """The body, cut at the limit; one `read` of it would give what has arrived so far."""
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > _MAX_DOCUMENT_BYTES:
            break
    return bytes(body)
