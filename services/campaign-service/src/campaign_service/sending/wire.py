"""Bytes of an SMTP connection to replies, with deadlines and back-pressure."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass
from typing import cast

from .replies import Reply


class SmtpError(Exception):
    """The connection cannot be used (any more). `reply` is what the server said, if it said something."""

    def __init__(self, message: str, reply: Reply | None = None) -> None:
        super().__init__(message)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait in each phase."""

    connect: float = 15.0
    greeting: float = 60.0
    command: float = 60.0
    content: float = 120.0


class Wire(asyncio.Protocol):
    """Bytes to replies. One deadline for the whole connection: a timer checks it, not a task per read."""

    def __init__(self) -> None:
        self._buffer = b""
        self._lines: list[str] = []
        self._replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._drain: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.lost: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio.Transport
        self.transport = cast("asyncio.Transport", transport)
        if self._timer is None:
            self._timer = self._loop.call_later(1.0, self._check_deadline)

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for raw in lines:
            self._take_line(raw)
        if len(self._buffer) > 8192:
            self._fail("the server's reply line is too long")
        if self._replies and self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _take_line(self, raw: bytes) -> None:
        line = raw.rstrip(b"\r").decode("utf-8", "replace")
        code = line[:3]
        if not (code.isascii() and code.isdigit()) or line[3:4] not in ("", " ", "-"):
            self._fail(f"the server does not speak SMTP: {line[:80]!r}")
            return
        self._lines.append(line[4:])
        if len(self._lines) > 200:
            self._fail("the server's reply has too many lines")
        elif line[3:4] != "-":
            self._replies.append(Reply(int(code), "\n".join(self._lines)))
            self._lines = []

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"connection lost: {exc}" if exc else "connection closed by the server")

    def pause_writing(self) -> None:
        self._drain = self._loop.create_future()

    def resume_writing(self) -> None:
        drain, self._drain = self._drain, None
        if drain and not drain.done():
            drain.set_result(None)

    def _fail(self, reason: str) -> None:
        self.lost = self.lost or reason
        if self._timer:
            self._timer.cancel()
        if self.transport:
            self.transport.abort()
        for future in (self._waiter, self._drain):
            if future and not future.done():
                future.set_result(None)
        self._drain = None

    def _check_deadline(self) -> None:
        if self._deadline and self._loop.time() > self._deadline:
            self._fail("the server did not answer in time")
        elif self.lost is None:
            self._timer = self._loop.call_later(0.25, self._check_deadline)

    def write(self, data: bytes) -> None:
        if self.transport and self.lost is None:
            self.transport.write(data)

    async def drained(self, timeout: float) -> None:
        """Returns when the kernel took what was written; raises SmtpError when it did not in `timeout`."""
        self._deadline = self._loop.time() + timeout
        if self._drain:
            await self._drain
        self._raise_if_lost()

    async def reply(self, timeout: float) -> Reply:
        """The next reply; raises SmtpError when the connection ends or `timeout` seconds pass first."""
        self._deadline = self._loop.time() + timeout
        while not self._replies:
            self._raise_if_lost()
            self._waiter = self._loop.create_future()
            await self._waiter
        self._deadline = 0.0
        return self._replies.popleft()

    def _raise_if_lost(self) -> None:
        if self.lost is not None:
            raise SmtpError(self.lost)

    def close(self) -> None:
        self._fail("closed")

    @property
    def backlog(self) -> bool:
        """Whether written bytes wait above the high-water mark."""
        return self._drain is not None

    async def upgrade(self, context: ssl.SSLContext, host: str, timeout: float) -> None:
        assert self.transport is not None
        # what came before the handshake is not protected: never take it as an answer after it
        self._buffer, self._replies = b"", deque()
        async with asyncio.timeout(timeout):
            upgraded = await self._loop.start_tls(self.transport, self, context, server_hostname=host)
        self.transport = upgraded
