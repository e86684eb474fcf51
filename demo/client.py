"""A customer's program: it knows the public door and the mail catcher, and nothing else of the product."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.client import HTTPConnection, HTTPSConnection
from types import TracebackType
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
_TIMEOUT = httpx.Timeout(60, connect=5)
_SELDOM_SECONDS = 2.0


class ApiError(Exception):
    """An answer that was not a success; `code` is the stable word of the error envelope."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.code = _error(response).get("code", "")
        message = _error(response).get("message", response.text[:300])
        request = response.request
        super().__init__(f"{request.method} {request.url.path}: {self.status} {self.code} {message}".rstrip())


class TooLateError(Exception):
    """Something did not happen in time; the message says what was seen last."""


def _error(response: httpx.Response) -> dict[str, Any]:
    try:
        content = response.json()
    except ValueError:
        return {}
    error = content.get("error") if isinstance(content, dict) else None
    return error if isinstance(error, dict) else {}


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        raise ApiError(response)
    return response


class Gateway:
    """The public door as one caller sees it; after `sign_in` every call carries the access token."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=_TIMEOUT)
        self._stranger = httpx.Client(base_url=url, timeout=_TIMEOUT)
        self.tenant_id = ""

    def __enter__(self) -> Gateway:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()
        self._stranger.close()

    def sign_in(self, tenant_id: str, token: str) -> None:
        self.tenant_id = tenant_id
        self._http.headers["Authorization"] = f"Bearer {token}"

    def program(self, tenant_id: str, key: str) -> Gateway:
        """Another caller of the same door, with an API key of the tenant."""
        program = Gateway(str(self._http.base_url))
        program.tenant_id = tenant_id
        program._http.headers["X-API-Key"] = key
        return program

    @property
    def url(self) -> httpx.URL:
        return self._http.base_url

    @property
    def credentials(self) -> dict[str, str]:
        """The headers that say who calls."""
        return {name: self._http.headers[name] for name in ("X-API-Key",) if name in self._http.headers}

    @property
    def authorization(self) -> str:
        """The header's value once signed in."""
        return self._http.headers["Authorization"]

    def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """A request of the signed-in caller. Raises `ApiError` for every status from 400 on."""
        return _checked(self._http.request(method, path, **request))

    def send_unsigned(self, method: str, path: str, **request: Any) -> httpx.Response:
        """A request of somebody outside, such as a reader of a mail. Raises `ApiError` like `send`."""
        return _checked(self._stranger.request(method, path, **request))

    def get(self, path: str, **params: Any) -> Any:
        """The `data` of the answer."""
        return self.send("GET", path, params=params).json()["data"]

    def post(self, path: str, body: Any = None, **request: Any) -> Any:
        """The `data` of the answer."""
        return self.send("POST", path, json=body, **request).json()["data"]

    def pages(self, path: str, **params: Any) -> list[Any]:
        """Every item of a list, page after page."""
        items: list[Any] = []
        cursor = None
        while True:
            query = {"limit": 200, **params} | ({"cursor": cursor} if cursor else {})
            answer = self.send("GET", path, params=query).json()
            items += answer["data"]
            cursor = answer["meta"].get("next_cursor")
            if not cursor:
                return items


class Line:
    """One connection of a program that does the same again and again: no more work than that takes."""

    def __init__(self, gateway: Gateway) -> None:
        url = gateway.url
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        self._connection = kind(url.host, url.port, timeout=60)
        self._headers = {**gateway.credentials, "Content-Type": "application/json"}

    def close(self) -> None:
        self._connection.close()

    def post(self, path: str, body: Any) -> Any:
        """The `data` of the answer. Raises `ApiError` for every status from 400 on."""
        self._connection.request("POST", path, json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        request = httpx.Request("POST", f"http://{self._connection.host}{path}")
        response = httpx.Response(answer.status, content=answer.read(), request=request)
        return _checked(response).json()["data"]


class MailCatcher:
    """Received mails over the catcher's own API."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=_TIMEOUT)

    def __enter__(self) -> MailCatcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def newest_id(self) -> int:
        """Number of the mail that came last; 0 before the first."""
        mails = self._json("/messages", limit=1)["messages"]
        return int(mails[0]["id"]) if mails else 0

    def count(self) -> int:
        """How many mails there are."""
        return int(self._json("/count")["count"])

    def after(self, number: int, *, to: str | None = None) -> list[dict[str, Any]]:
        """Envelope and identity of every mail later than `number`: id, from, to, subject, message_id."""
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"limit": 2000} | ({"to": to} if to else {})
        while True:
            page = self._json("/messages", after=number, **query)["messages"]
            found += page
            if not page:
                return found
            number = int(page[-1]["id"])

    def content(self, number: int) -> bytes:
        """The mail as it was received."""
        response = self._http.get(f"/messages/{number}")
        response.raise_for_status()
        return response.content

    def text(self, number: int) -> str:
        """The readable text of a mail."""
        message = message_from_bytes(self.content(number), _class=EmailMessage, policy=default)
        part = message.get_body(("plain", "html"))
        return str(part.get_content()) if part is not None else ""

    def _json(self, path: str, **params: Any) -> dict[str, Any]:
        response = self._http.get(path, params=params)
        response.raise_for_status()
        content: dict[str, Any] = response.json()
        return content


def wait_for(
    look: Callable[[], T], done: Callable[[T], bool], *, what: str, seconds: float, every: float = 0.5
) -> T:
    """Look until `done`, less often the longer it takes: the gateway counts requests.

    Raises `TooLateError` when nothing has changed for so many seconds.
    """
    last: T | None = None
    deadline = 0.0
    while True:
        seen = look()
        if done(seen):
            return seen
        now = time.monotonic()
        if seen != last:
            last, deadline = seen, now + seconds
        if now > deadline:
            raise TooLateError(f"{what}: nothing has changed for {seconds:.0f} s; last seen: {seen}")
        time.sleep(every)
        every = min(every * 1.3, _SELDOM_SECONDS)
