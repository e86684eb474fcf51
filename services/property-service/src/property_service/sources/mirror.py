"""A mirror of geo-dvf over HTTP: one file for each year and commune, as files.data.gouv.fr has them.

Polite: one request at a time with a pause between them, what did not change is not sent again (ETag or
Last-Modified), and a server that asks to wait is waited for, within limits.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from property_service.sources.port import SourceError, SourceFile, SourceSession, Wanted
from shared.web.health import VERSION

_TRIES = 3
_LONGEST_WAIT = 60.0
#: A commune's year has at most some 20,000 rows.
_MAX_BYTES = 200 * 1024 * 1024
_AGAIN = frozenset((429, 500, 502, 503, 504))


class MirrorSource:
    """`base_url` has `<year>/communes/<department>/<code>.csv` below it. Times are seconds."""

    name = "mirror"

    def __init__(self, base_url: str, *, pause: float = 1.0, timeout: float = 30.0) -> None:
        self._base_url = base_url.rstrip("/")
        self._pause = pause
        self._timeout = timeout

    @asynccontextmanager
    async def open(self) -> AsyncIterator[SourceSession]:
        headers = {"User-Agent": f"Tidings/{VERSION} property-service"}
        timeout = httpx.Timeout(self._timeout)
        with tempfile.TemporaryDirectory(prefix="tidings-dvf-") as folder:
            async with httpx.AsyncClient(headers=headers, timeout=timeout, follow_redirects=True) as client:
                yield _Mirror(client, self._base_url, self._pause, Path(folder))


class _Mirror:
    def __init__(self, client: httpx.AsyncClient, base_url: str, pause: float, folder: Path) -> None:
        self._client = client
        self._base_url = base_url
        self._pause = pause
        self._folder = folder
        self._free_at = 0.0

    async def files(self, wanted: Wanted, known: Mapping[str, str]) -> AsyncIterator[SourceFile]:
        for year in wanted.years:
            location = f"{self._base_url}/{year}/communes/{wanted.department}/{wanted.code}.csv"
            path = self._folder / f"{wanted.code}-{year}.csv"
            version = await self._fetch(location, path, known.get(location))
            if version is not None:
                yield SourceFile(path, location, version)
                path.unlink(missing_ok=True)

    async def _fetch(self, location: str, path: Path, known: str | None) -> str | None:
        """The version of a file now in `path`; None when there is none or it is as known."""
        for attempt in range(1, _TRIES + 1):
            await self._take_turn()
            try:
                answer, version = await self._request(location, path, known)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                if attempt == _TRIES:
                    kind = type(error).__name__
                    raise SourceError(f"{location} cannot be read: {kind} {error}".rstrip()) from error
                self._wait(self._pause * 2**attempt)
                continue
            if version or answer.status_code in (304, 404):
                return version
            if answer.status_code not in _AGAIN or attempt == _TRIES:
                break
            self._wait(_retry_after(answer) or self._pause * 2**attempt)
        raise SourceError(f"{location} answered {answer.status_code}")

    async def _take_turn(self) -> None:
        await asyncio.sleep(max(0.0, self._free_at - time.monotonic()))
        self._wait(self._pause)

    def _wait(self, seconds: float) -> None:
        """The next request is not before that."""
        self._free_at = time.monotonic() + min(seconds, _LONGEST_WAIT)

    async def _request(
        self, location: str, path: Path, known: str | None
    ) -> tuple[httpx.Response, str | None]:
        async with self._client.stream("GET", location, headers=_condition(known)) as answer:
            if answer.status_code != 200:
                return answer, None
            size = 0
            with path.open("wb") as target:
                async for block in answer.aiter_bytes():
                    size += len(block)
                    if size > _MAX_BYTES:
                        raise SourceError(f"{location} has more than {_MAX_BYTES} bytes")
                    target.write(block)
            return answer, _version(answer)


def _version(answer: httpx.Response) -> str:
    for name in ("ETag", "Last-Modified"):
        if found := answer.headers.get(name):
            return f"{name}: {found}"
    return f"Size: {answer.headers.get('Content-Length', '')}"


def _condition(known: str | None) -> dict[str, str]:
    name, _, value = (known or "").partition(": ")
    header = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}.get(name)
    return {header: value} if header else {}


def _retry_after(answer: httpx.Response) -> float | None:
    with contextlib.suppress(ValueError):
        return min(max(float(answer.headers.get("Retry-After", "")), 0.0), _LONGEST_WAIT)
    return None
