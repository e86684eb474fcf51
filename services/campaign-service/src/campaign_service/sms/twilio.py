"""Twilio's Messages resource: one request, and the four things that can become of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

_MAX_BODY = 1600
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
        self._client = httpx.AsyncClient(
            base_url=base_url, timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0))
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def send(self, access: Access, sender: str, to: str, body: str) -> Outcome:
        """One request, never repeated here."""
        form = {"To": to, "Body": body[:_MAX_BODY]}
        form["MessagingServiceSid" if sender.startswith("MG") else "From"] = sender
        if access.status_callback_url:
            form["StatusCallback"] = access.status_callback_url
        path = f"/2010-04-01/Accounts/{access.account_sid}/Messages.json"
        try:
            answer = await self._client.post(path, data=form, auth=(access.account_sid, access.auth_token))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return NotSent(str(error)[:_DETAIL] or type(error).__name__)
        except httpx.HTTPError as error:
            return Unknown(str(error)[:_DETAIL] or type(error).__name__)
        return _read(answer)


def _read(answer: httpx.Response) -> Outcome:
    data = _object(answer)
    if answer.status_code in _OK:
        sid = data.get("sid")
        if not isinstance(sid, str):
            return Unknown("the answer names no message")
        return Taken(sid, str(data.get("status") or "queued"), data.get("from") or None)
    message = str(data.get("message") or f"HTTP {answer.status_code}")[:_DETAIL]
    # A gateway's 500, 502 or 504 says nothing about what happened behind it; 503 says it was not taken.
    if answer.status_code >= _SERVER_FAULT and answer.status_code != _BUSY:
        return Unknown(message)
    passing = answer.status_code in (_TOO_MANY, _BUSY)
    return Refused(str(data.get("code") or answer.status_code), message, passing)


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        data = answer.json()
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
