"""Twilio's Messages resource: one request, and the four things that can become of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import aiohttp

from campaign_service.channels.http import body_of

_MAX_BODY = 1600
_MAX_ANSWER = 256 * 1024
_CONNECT_SECONDS = 10.0
_TOO_MANY = 429
_BUSY = 503
_SERVER_FAULT = 500
_OK = range(200, 300)
_DETAIL = 300


@dataclass(frozen=True, slots=True)
class Access:
    """A tenant's account and how its texts are sent; `sender` is a number, a sender id or an MG… service."""

    account_sid: str
    auth_token: str
    status_callback_url: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """Twilio has it and will report on `sid`."""

    sid: str
    status: str
    sender: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Twilio said no; it has not taken the text. `passing`: worth another try."""

    code: str
    message: str
    passing: bool = False


@dataclass(frozen=True, slots=True)
class NotSent:
    """No connection: nothing left this machine, so sending again is safe."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request went out and no usable answer came: the text may be on its way."""

    reason: str


Outcome = Taken | Refused | NotSent | Unknown


class Twilio:
    """Sends texts for all tenants over one pool of connections."""

    def __init__(self, base_url: str, timeout: float) -> None:
        self._url = base_url.rstrip("/")
        # How many requests run at once is for the lanes to say.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=timeout, connect=min(timeout, _CONNECT_SECONDS)),
            headers={"Accept": "application/json", "User-Agent": "Tidings"},
        )

    async def close(self) -> None:
        await self._session.close()

    async def send(self, access: Access, sender: str, to: str, body: str) -> Outcome:
        """One request, never repeated here."""
        form = {"To": to, "Body": body[:_MAX_BODY]}
        form["MessagingServiceSid" if sender.startswith("MG") else "From"] = sender
        if access.status_callback_url:
            form["StatusCallback"] = access.status_callback_url
        url = f"{self._url}/2010-04-01/Accounts/{access.account_sid}/Messages.json"
        login = aiohttp.encode_basic_auth(access.account_sid, access.auth_token, "utf-8")
        headers = {"Authorization": login}
        try:
            async with self._session.post(url, data=form, headers=headers, allow_redirects=False) as answer:
                status, content = answer.status, await body_of(answer, _MAX_ANSWER)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return NotSent(str(error)[:_DETAIL] or type(error).__name__)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return Unknown(str(error)[:_DETAIL] or type(error).__name__)
        return _read(status, content)


def _read(status: int, content: bytes) -> Outcome:
    data = _object(content)
    if status in _OK:
        sid = data.get("sid")
        if not isinstance(sid, str):
            return Unknown("the answer names no message")
        return Taken(sid, str(data.get("status") or "queued"), data.get("from") or None)
    message = str(data.get("message") or f"HTTP {status}")[:_DETAIL]
    # A gateway's 500, 502 or 504 says nothing about what happened behind it; 503 says it was not taken.
    if status >= _SERVER_FAULT and status != _BUSY:
        return Unknown(message)
    return Refused(str(data.get("code") or status), message, passing=status in (_TOO_MANY, _BUSY))


def _object(content: bytes) -> dict[str, Any]:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
