"""Asking a source's server for pages: signed, one at a time, patient, and only at public addresses."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from campaign_service.channels.addresses import PublicResolver, is_forbidden_literal
from campaign_service.sources.feed import BrokenAnswerError, Feed, Page, auth_headers, read_page
from campaign_service.sources.schemas import RemoteSettings
from shared.errors import PermanentError
from shared.utils import logger

_LARGEST_ANSWER = 32 * 1024 * 1024
_LONGEST_PAUSE = 60.0
_REFUSED = (400, 401, 403, 404, 405, 410, 422)


class SourceUnavailableError(Exception):
    """The server failed or could not be reached, as often as it was asked; later it may."""


class _AgainError(Exception):
    """This attempt came to nothing. `pause`: how long the server wants to be left alone, if it says so."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(frozen=True, slots=True)
class Patience:
    """Attempts a page, and seconds: before the second attempt (doubled after), and for one answer."""

    attempts: int = 5
    backoff: float = 1.0
    timeout: float = 60.0


class SourceClient:
    """One server. Raises PermanentError for an address that is not public."""

    def __init__(
        self,
        feed: Feed,
        settings: RemoteSettings,
        secret: str,
        *,
        private_hosts: Collection[str] = (),
        patience: Patience = Patience(),
        before_request: Callable[[], None] = lambda: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._base = URL(settings.url.rstrip("/") + feed.path)
        if is_forbidden_literal(self._base.host or "", private_hosts):
            raise PermanentError("the source's address is not public")
        self._feed = feed
        self._settings = settings
        self._secret = secret
        self._patience = patience
        self._before_request = before_request
        self._sleep = sleep
        self._next_at = 0.0
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1, resolver=PublicResolver(private_hosts)),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=patience.timeout, connect=10.0),
            headers={"Accept": "application/json", "User-Agent": "Tidings"},
        )

    async def __aenter__(self) -> SourceClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def page(self, cursor: str | None) -> Page:
        """The page a cursor begins; the first one without. Tries again what may get better.

        Raises SourceUnavailableError, or PermanentError when the server refuses.
        """
        attempt = 1
        while True:
            await self._take_turn()
            try:
                return await self._ask(cursor)
            except _AgainError as error:
                if attempt >= self._patience.attempts:
                    raise SourceUnavailableError(f"{error}, after {attempt} attempts") from None
                logger.warning("source will be asked again", host=self._base.host, reason=str(error))
                backoff = self._patience.backoff * 2.0 ** (attempt - 1) * random.uniform(1.0, 1.25)
                await self._sleep(min(_LONGEST_PAUSE, max(error.pause, backoff)))
                attempt += 1

    async def _take_turn(self) -> None:
        """Wait until the server may be asked again: so many requests a minute were agreed."""
        self._before_request()
        wait = self._next_at - time.monotonic()
        if wait > 0:
            await self._sleep(wait)
        self._next_at = time.monotonic() + 60.0 / self._settings.requests_per_minute

    async def _ask(self, cursor: str | None) -> Page:
        query = {self._feed.limit_parameter: str(self._settings.page_size)}
        if cursor is not None:
            query[self._feed.cursor_parameter] = cursor
        url = self._base.update_query(query)
        headers = auth_headers(self._settings, self._secret, url.raw_path_qs, int(time.time()))
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                return await self._read(response)
        except TimeoutError:
            raise _AgainError("no answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _AgainError(f"no answer ({type(error).__name__})") from None

    async def _read(self, response: aiohttp.ClientResponse) -> Page:
        status = response.status
        if status in _REFUSED or 300 <= status < 400:
            raise PermanentError(f"the source refuses: status {status}")
        if status != 200:
            raise _AgainError(f"status {status}", _seconds(response.headers.get("Retry-After", "")))
        try:
            return read_page(self._feed, json.loads(await _body(response)))
        except BrokenAnswerError as error:
            raise _AgainError(str(error)) from None
        except (ValueError, RecursionError):
            raise _AgainError("the answer is not JSON") from None


async def _body(response: aiohttp.ClientResponse) -> bytes:
    parts: list[Any] = []
    size = 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > _LARGEST_ANSWER:
            raise PermanentError("the source's answer is too large; lower page_size")
    return b"".join(parts)


def _seconds(retry_after: str) -> float:
    """Seconds of a Retry-After header; its date form counts as not given."""
    return float(retry_after) if retry_after.isdecimal() and len(retry_after) < 9 else 0.0
