"""A mail server that keeps what it takes, and single messages as one caller sends them."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import httpx
from aiosmtpd.smtp import SMTP


class Mailbox:
    """A mail server that keeps what it takes; `replies` are given instead, one per message, to content."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Any] = []
        self.replies: list[str] = []
        self.rcpt_reply: str | None = None
        self.utf8 = True

    async def handle_RCPT(
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if self.rcpt_reply:
            return self.rcpt_reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.replies and (reply := self.replies.pop(0)):
            return reply
        parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        self.envelopes.append(envelope)
        return "250 2.0.0 taken"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(self, hostname="mail.test", enable_SMTPUTF8=self.utf8), "127.0.0.1", 0
        )
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()


class Messages:
    """The message endpoints as one caller uses them."""

    def __init__(self, client: httpx.AsyncClient, tenant: UUID, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers
        self.base = f"/api/v2/messages/{tenant}"

    async def post(self, key: str | None = None, **body: Any) -> httpx.Response:
        headers = self.headers | ({"Idempotency-Key": key} if key else {})
        return await self.client.post(self.base, json=body, headers=headers)

    async def send(self, **body: Any) -> dict[str, Any]:
        content = {"to": {"email": "anna@example.com", "name": "Anna Berg"}, "subject": "Hi", "text": "Hello"}
        answer = await self.post(**({**content, **body} if "template_id" not in body else body))
        assert answer.status_code == 202, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def get(self, message_id: str) -> dict[str, Any]:
        answer = await self.client.get(f"{self.base}/{message_id}", headers=self.headers)
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def until(self, message_id: str, *states: str) -> dict[str, Any]:
        while True:
            message = await self.get(message_id)
            if message["state"] in states:
                return message
            await asyncio.sleep(0.02)


async def until(condition: Callable[[], bool]) -> None:
    while True:
        if condition():
            return
        await asyncio.sleep(0.02)
