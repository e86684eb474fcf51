"""MailWizz's API, read page by page."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, Self

import aiohttp

from campaign_service.channels.addresses import PublicResolver
from campaign_service.channels.http import body_of

Stream = Literal["delivery-logs", "bounces", "complaints", "unsubscribes"]
STREAMS: tuple[Stream, ...] = ("delivery-logs", "bounces", "complaints", "unsubscribes")
_MAX_ANSWER = 16 * 1024 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=10)


class MailWizzUnavailableError(Exception):
    """No answer, or none that makes sense: it is asked again later."""


class MailWizzRefusedError(Exception):
    """The key is not taken, or the campaign is not known there."""


@dataclass(frozen=True, slots=True)
class Page:
    """Records of one page; `count` is that of the whole list."""

    records: list[dict[str, Any]]
    count: int


class MailWizzClient:
    """One installation of MailWizz; `url` ends in `/api`."""

    def __init__(self, url: str, key: str, private_hosts: Collection[str]) -> None:
        self._url = url.rstrip("/")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=2, resolver=PublicResolver(private_hosts)),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_TIMEOUT,
            headers={"X-Api-Key": key, "Accept": "application/json", "User-Agent": "Tidings"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def page(self, campaign_uid: str, stream: Stream, number: int, size: int) -> Page:
        """A page of a campaign's records, counted from 1; one behind the end is empty.

        Raises MailWizzUnavailableError or MailWizzRefusedError.
        """
        params = {"page": str(number), "per_page": str(size)}
        data = (await self._get(f"/campaigns/{campaign_uid}/{stream}", params)).get("data")
        records = data.get("records") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(records, list):
            raise MailWizzUnavailableError("the answer has no records")
        try:
            # A number or a text, as the version likes.
            count = int(data.get("count") or 0)
        except (ValueError, TypeError) as error:
            raise MailWizzUnavailableError("the answer's count is no number") from error
        if data.get("current_page") is not None and str(data["current_page"]) != str(number):
            # Asked for a page behind the last, some versions give the last one again.
            return Page([], count)
        return Page([record for record in records if isinstance(record, dict)], count)

    async def _get(self, path: str, params: dict[str, str]) -> dict[str, Any]:
        try:
            async with self._session.get(self._url + path, params=params, allow_redirects=False) as response:
                status, body = response.status, await body_of(response, _MAX_ANSWER)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise MailWizzUnavailableError(f"no answer: {type(error).__name__}") from error
        if len(body) > _MAX_ANSWER:
            raise MailWizzUnavailableError("the answer is too large")
        if status in (400, 401, 403, 404):
            raise MailWizzRefusedError(f"status {status}: {body[:200].decode('utf-8', 'replace')}")
        return _success(status, body)


def _success(status: int, body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MailWizzUnavailableError(f"status {status}, and no JSON") from error
    if status != 200 or not isinstance(answer, dict) or answer.get("status") != "success":
        raise MailWizzUnavailableError(f"status {status}: {body[:200].decode('utf-8', 'replace')}")
    return answer
