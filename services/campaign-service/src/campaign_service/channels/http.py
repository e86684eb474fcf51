"""Mails by HTTP: one request a mail, with the same four outcomes as SMTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp

from campaign_service.rendering import OutgoingMail
from campaign_service.sending.outcomes import Accepted, Ambiguous, NotSent, Outcome, Rejected
from campaign_service.sending.replies import Reply

from .addresses import PublicResolver

_MAX_ANSWER = 256 * 1024
_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 60.0
#: The provider's own trouble, or ours with it: none of these says anything about the recipient.
_NOT_NOW = frozenset({401, 402, 403, 404, 405, 407, 408, 413, 425, 429, 502, 503})


@dataclass(frozen=True, slots=True)
class Request:
    """What is posted for one mail: `data` as bytes or form fields."""

    url: str
    data: bytes | list[tuple[str, str]]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    text: str


class Api(Protocol):
    """How one kind of provider is spoken to."""

    def request(self, mail: OutgoingMail) -> Request: ...

    def outcome(self, answer: Answer) -> Outcome | None:
        """What an answer means; None: the usual for its status."""
        ...


class HttpConnection:
    """An API in the manner of an SMTP connection: it ends with the first answer that is no answer."""

    def __init__(self, api: Api, private_hosts: Collection[str]) -> None:
        self.sent = 0
        self.trouble = ""
        self._api = api
        self._private_hosts = private_hosts
        self._session: aiohttp.ClientSession | None = None

    @property
    def usable(self) -> bool:
        return not self.trouble

    async def stream(self, mails: Iterator[OutgoingMail]) -> AsyncIterator[Outcome]:
        for mail in mails:
            outcome = await self._post(self._api.request(mail))
            self.sent += 1
            yield outcome
            if self.trouble:
                return

    async def quit(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
        self.trouble = self.trouble or "closed"

    async def _post(self, request: Request) -> Outcome:
        try:
            async with self._opened().post(
                request.url, data=request.data, headers=request.headers, allow_redirects=False
            ) as response:
                body = await body_of(response, _MAX_ANSWER)
                answer = Answer(response.status, body.decode("utf-8", "replace"))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            # Nothing was sent: another provider may have it.
            return self._down(f"cannot connect: {error}")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.trouble = f"no answer: {type(error).__name__}"
            return Ambiguous(self.trouble)
        return self._meaning(answer)

    def _meaning(self, answer: Answer) -> Outcome:
        if answer.status in _NOT_NOW:
            return self._down(f"status {answer.status}: {answer.text[:200]}")
        known = self._api.outcome(answer)
        if known is not None:
            return known
        if answer.status // 100 == 2:
            return accepted(answer)
        if answer.status // 100 == 4:
            return Rejected(Reply(554, f"5.6.0 status {answer.status}: {answer.text[:200]}"), "content")
        # It may have been taken before it went wrong.
        self.trouble = f"status {answer.status}"
        return Ambiguous(f"status {answer.status}: {answer.text[:200]}")

    def _down(self, reason: str) -> Outcome:
        self.trouble = reason[:300]
        return NotSent(self.trouble, tried=False)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=1, resolver=PublicResolver(self._private_hosts)),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
                headers={"Accept": "application/json", "User-Agent": "Tidings"},
            )
        return self._session


async def body_of(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, read no further than a little beyond `limit` bytes."""
    body = b""
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            break
    return body


def accepted(answer: Answer) -> Outcome:
    """The provider has the mail."""
    return Accepted(Reply(250, " ".join(answer.text.split())[:200]))


def form(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Fields in PHP's bracket names: `{"email": {"to_name": …}}` is `email[to_name]`."""
    found: list[tuple[str, str]] = []

    def add(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                add(f"{name}[{key}]" if name else str(key), inner)
        elif value is not None:
            found.append((name, str(value)))

    add("", fields)
    return found
