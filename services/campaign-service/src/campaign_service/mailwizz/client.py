"""MailWizz's API: lists read page by page, and forms with PHP's bracket names."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import aiohttp

from campaign_service.channels.addresses import PublicResolver
from campaign_service.channels.http import body_of, form

Stream = Literal["delivery-logs", "bounces", "complaints", "unsubscribes"]
STREAMS: tuple[Stream, ...] = ("delivery-logs", "bounces", "complaints", "unsubscribes")
_MAX_ANSWER = 16 * 1024 * 1024
_REFUSALS = frozenset({400, 401, 403, 404, 405, 409, 422})
_NOT_FOUND = 404
_LOCKED_OUT = frozenset({401, 403})
_PER_PAGE = 100
_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=10)


class MailWizzUnavailableError(Exception):
    """No answer, or none that makes sense: it is asked again later."""


class MailWizzRefusedError(Exception):
    """The key is not taken, the campaign is not known there, or what was asked for is not possible."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.is_unknown = status == _NOT_FOUND
        self.is_locked_out = status in _LOCKED_OUT


@dataclass(frozen=True, slots=True)
class Page:
    """Records of one page; `count` is that of the whole list."""

    records: list[dict[str, Any]]
    count: int


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Somebody on a list; `status` is MailWizz's: confirmed, unsubscribed …"""

    uid: str
    status: str


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
        data = (await self._call("GET", f"/campaigns/{campaign_uid}/{stream}", params=params)).get("data")
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

    async def find_lists(self, text: str) -> list[str]:
        """The lists with `text` in their names."""
        found = [record.get("general") async for record in self._records("/lists")]
        lists = [general for general in found if isinstance(general, dict)]
        return [str(one["list_uid"]) for one in lists if text in str(one.get("name"))]

    async def find_campaigns(self, text: str) -> list[str]:
        """The campaigns with `text` in their names."""
        found = [record async for record in self._records("/campaigns")]
        return [str(one["campaign_uid"]) for one in found if text in str(one.get("name"))]

    async def create_list(self, fields: Mapping[str, Any]) -> str:
        return _text(await self._call("POST", "/lists", fields), "list_uid")

    async def copy_list(self, list_uid: str, name: str) -> str:
        """A new list with the fields and the company of another, without its subscribers."""
        uid = _text(await self._call("POST", f"/lists/{list_uid}/copy", {}), "list_uid")
        await self._call("PUT", f"/lists/{uid}", {"general": {"name": name}})
        return uid

    async def add_subscribers(self, list_uid: str, people: Sequence[Mapping[str, Any]]) -> None:
        """Many at once; who is on the list already stays as they are."""
        numbered = {str(number): person for number, person in enumerate(people)}
        await self._call("POST", f"/lists/{list_uid}/subscribers/bulk", {"subscribers": numbered})

    async def find_subscriber(self, list_uid: str, address: str) -> Subscriber | None:
        path, params = f"/lists/{list_uid}/subscribers/search-by-email", {"EMAIL": address}
        try:
            data = (await self._call("GET", path, params=params)).get("data")
        except MailWizzRefusedError as error:
            if error.is_unknown:
                return None
            raise
        known = data if isinstance(data, dict) else {}
        return Subscriber(_text(known, "subscriber_uid"), str(known.get("status")))

    async def unsubscribe(self, list_uid: str, subscriber_uid: str) -> None:
        await self._call("PUT", f"/lists/{list_uid}/subscribers/{subscriber_uid}/unsubscribe", {})

    async def delete_subscriber(self, list_uid: str, subscriber_uid: str) -> None:
        await self._delete(f"/lists/{list_uid}/subscribers/{subscriber_uid}")

    async def delete_list(self, list_uid: str) -> None:
        await self._delete(f"/lists/{list_uid}")

    async def delete_campaign(self, uid: str) -> None:
        await self._delete(f"/campaigns/{uid}")

    async def create_campaign(self, fields: Mapping[str, Any]) -> str:
        return _text(await self._call("POST", "/campaigns", {"campaign": fields}), "campaign_uid")

    async def campaign_status(self, uid: str) -> str:
        """`pending-sending`, `sending`, `paused`, `sent` …"""
        data = (await self._call("GET", f"/campaigns/{uid}")).get("data")
        record = data.get("record") if isinstance(data, dict) else None
        return _text(record if isinstance(record, dict) else {}, "status")

    async def pause_or_resume(self, uid: str) -> None:
        """One call for both: it turns over what is."""
        await self._call("PUT", f"/campaigns/{uid}/pause-unpause", {})

    async def _delete(self, path: str) -> None:
        """What is not there any more is deleted."""
        try:
            await self._call("DELETE", path)
        except MailWizzRefusedError as error:
            if not error.is_unknown:
                raise

    async def _records(self, path: str) -> AsyncIterator[dict[str, Any]]:
        number, pages = 1, 1
        while number <= pages:
            params = {"page": str(number), "per_page": str(_PER_PAGE)}
            data = (await self._call("GET", path, params=params)).get("data")
            if not isinstance(data, dict) or not isinstance(data.get("records"), list):
                raise MailWizzUnavailableError("the answer has no records")
            pages, number = int(data.get("total_pages") or 1), number + 1
            for record in data["records"]:
                if isinstance(record, dict):
                    yield record

    async def _call(
        self,
        method: str,
        path: str,
        fields: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        data = None if fields is None else form(fields)
        try:
            async with self._session.request(
                method, self._url + path, params=params, data=data, allow_redirects=False
            ) as response:
                status, body = response.status, await body_of(response, _MAX_ANSWER)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise MailWizzUnavailableError(f"no answer: {type(error).__name__}") from error
        if len(body) > _MAX_ANSWER:
            raise MailWizzUnavailableError("the answer is too large")
        if status in _REFUSALS:
            raise MailWizzRefusedError(f"status {status}: {body[:200].decode('utf-8', 'replace')}", status)
        return _success(status, body)


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise MailWizzUnavailableError(f"the answer has no {name}")
    return value


def _success(status: int, body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MailWizzUnavailableError(f"status {status}, and no JSON") from error
    if status not in (200, 201) or not isinstance(answer, dict) or answer.get("status") != "success":
        raise MailWizzUnavailableError(f"status {status}: {body[:200].decode('utf-8', 'replace')}")
    return answer
