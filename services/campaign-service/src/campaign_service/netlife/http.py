"""Reading from one portal over HTTP: politely, patiently, and never writing."""

from __future__ import annotations

import asyncio
import base64
import email.utils
import json
import random
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from campaign_service.netlife.config import Performance, shown_path
from campaign_service.netlife.errors import PortalContractError, PortalRefusedError, PortalUnavailableError
from campaign_service.netlife.stats import PortalStats
from shared.utils import logger

Sleep = Callable[[float], Awaitable[None]]
_LONGEST_BACKOFF = 12.0
_JITTER = 0.25


@dataclass(frozen=True, slots=True)
class Answer:
    """A usable answer; `data` is None when the portal has no such thing (404) or nothing to say."""

    url: URL
    data: Any
    link_header: str = ""


class _TryAgainError(Exception):
    """This attempt came to nothing; `kind` says why."""

    def __init__(self, kind: str, retry_after: float = 1.0) -> None:
        super().__init__(kind)
        self.kind = kind
        self.retry_after = retry_after


class PortalHttp:
    """One portal's connections. At most `max_concurrent_jobs` requests are under way at any time."""

    def __init__(
        self,
        base_url: str,
        authorization: str,
        performance: Performance,
        stats: PortalStats,
        *,
        ca_file: Path | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.base = URL(base_url)
        self._authorization = authorization
        self._performance = performance
        self._stats = stats
        self._ca_file = ca_file
        self._sleep = sleep
        self._places = asyncio.Semaphore(performance.max_concurrent_jobs)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def url(self, endpoint: str) -> URL:
        """The address of a path below the base."""
        return self.base.origin().join(URL(self.base.raw_path.rstrip("/") + endpoint, encoded=True))

    async def get(
        self,
        url: URL,
        params: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,
        slow_timeout: float | None = None,
    ) -> Answer:
        """GET with retries. After a timeout the next attempt may take `slow_timeout`.

        Raises PortalUnavailableError, PortalRefusedError or PortalContractError.
        """
        address = url.update_query(params) if params else url
        patience = timeout or self._performance.timeout
        failures = pauses = 0
        while True:
            try:
                async with self._places:
                    return await self._attempt(address, patience)
            except _TryAgainError as error:
                self._stats.api_calls_failed += 1
                if error.kind == "429":
                    pauses += 1
                else:
                    failures += 1
                if error.kind == "timeout":
                    patience = slow_timeout or patience
                self._give_up_after(error.kind, failures, pauses, address)
                await self._sleep(self._wait(error, failures))

    def _give_up_after(self, kind: str, failures: int, pauses: int, address: URL) -> None:
        limits = self._performance
        shown = shown_path(address.path)
        if failures >= limits.retry_attempts or pauses >= limits.rate_limit_attempts:
            raise PortalUnavailableError(f"{shown}: {kind}, after {failures + pauses} attempts")
        logger.warning("portal request will be repeated", path=shown, reason=kind)

    def _wait(self, error: _TryAgainError, failures: int) -> float:
        limits = self._performance
        if error.kind == "429":
            return min(limits.longest_pause, error.retry_after) + random.uniform(0, _JITTER)
        if error.kind.isdigit():
            return min(_LONGEST_BACKOFF, 0.75 * 2.0 ** (failures - 1))
        return limits.retry_backoff**failures

    async def _attempt(self, url: URL, timeout: float) -> Answer:
        self._stats.api_calls_total += 1
        try:
            async with self._opened().get(
                url, timeout=aiohttp.ClientTimeout(total=timeout), allow_redirects=False
            ) as response:
                return await self._read(url, response)
        except TimeoutError:
            raise _TryAgainError("timeout") from None
        except aiohttp.ClientConnectorCertificateError:
            self._stats.api_calls_failed += 1
            raise PortalRefusedError("the portal's TLS certificate is not valid") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _TryAgainError(type(error).__name__) from None

    async def _read(self, url: URL, response: aiohttp.ClientResponse) -> Answer:
        status = response.status
        if status == 429:
            raise _TryAgainError("429", _seconds(response.headers.get("Retry-After", "")))
        if status >= 500:
            raise _TryAgainError(str(status))
        if status == 404:
            return Answer(url, None)
        if status not in (200, 204):
            self._stats.api_calls_failed += 1
            kind = PortalRefusedError if status in (401, 403) else PortalContractError
            raise kind(f"{shown_path(url.path)}: status {status}")
        return Answer(url, _parse(await self._body(response)), response.headers.get("Link", ""))

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        parts = []
        size = 0
        async for part in response.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > self._performance.max_answer_bytes:
                self._stats.api_calls_failed += 1
                raise PortalContractError("the portal's answer is larger than any answer should be")
        return b"".join(parts)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Certificates and names are checked either way; a file of ours only adds an issuer.
            context: ssl.SSLContext | bool = True
            if self._ca_file is not None:
                context = ssl.create_default_context()
                context.load_verify_locations(self._ca_file)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._performance.max_concurrent_jobs, ssl=context),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={
                    "Accept": "application/json",
                    "Authorization": self._authorization,
                    "User-Agent": "Tidings",
                },
            )
        return self._session


def basic_credentials(username: str, password: str) -> str:
    """The Authorization header of RFC 7617. Raises PortalContractError for a user name with a colon."""
    if ":" in username:
        raise PortalContractError("a portal's user name has no colon")
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _parse(body: bytes) -> Any:
    """JSON whatever the content type says; a body that is not (cut short, a page of HTML) is tried again."""
    text = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _TryAgainError("broken JSON") from None


def _seconds(retry_after: str) -> float:
    """Seconds of a Retry-After header, which is a number or a date; 1 where it says nothing."""
    text = retry_after.strip()
    if text.isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 1.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
