"""The receiving side of SMTP (RFC 5321) with PIPELINING, written for speed: one parser over one buffer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import cast

from deploy.local.mailcatcher.store import MailStore

MAX_MESSAGE_BYTES = 32 << 20
MAX_LINE_BYTES = 4096
MAX_RECIPIENTS = 1000
IDLE_SECONDS = 300.0

_PATH = re.compile(rb"(?:FROM|TO):[ ]?<([^<>]*)>", re.IGNORECASE)
_CAPABILITIES = (
    b"250-tidings-mail-catcher\r\n250-PIPELINING\r\n250-SIZE %d\r\n250-8BITMIME\r\n"
    b"250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250 SMTPUTF8\r\n" % MAX_MESSAGE_BYTES
)


class SmtpConnection(asyncio.Protocol):
    """One client. Mails of one network read are stored with one write, then all are answered."""

    def __init__(self, store: MailStore) -> None:
        self._store = store
        self._buffer = bytearray()
        self._replies: list[bytes] = []
        self._caught: list[tuple[str, tuple[str, ...], bytes]] = []
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._in_data = False
        self._scanned = 0
        self._closing = False
        self._idle: asyncio.TimerHandle | None = None
        self._commands: dict[bytes, Callable[[bytes], bytes]] = {
            b"MAIL": self._mail,
            b"RCPT": self._rcpt,
            b"DATA": self._data,
            b"EHLO": self._ehlo,
            b"HELO": self._helo,
            b"RSET": self._rset,
            b"NOOP": lambda _: b"250 2.0.0 OK\r\n",
            b"VRFY": lambda _: b"252 2.5.0 Every address is accepted\r\n",
            b"QUIT": self._quit,
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"220 tidings-mail-catcher ESMTP\r\n")
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._idle:
            self._idle.cancel()

    def _watch(self) -> None:
        if self._idle:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._transport.close)

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while not self._closing and (self._take_mail() if self._in_data else self._take_line()):
            pass
        if self._caught:
            self._store.append(self._caught)
            self._caught.clear()
        if self._replies:
            self._transport.write(b"".join(self._replies))
            self._replies.clear()
        if self._closing:
            self._transport.close()
        self._watch()

    def _take_line(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0 and len(self._buffer) <= MAX_LINE_BYTES:
            return False
        if end < 0 or end > MAX_LINE_BYTES:
            self._replies.append(b"500 5.5.2 Line too long\r\n")
            self._closing = True
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        command = self._commands.get(line.split(b" ", 1)[0].upper())
        self._replies.append(command(line) if command else b"500 5.5.1 Unknown command\r\n")
        return True

    def _take_mail(self) -> bool:
        if self._buffer.startswith(b".\r\n"):
            end, skip = 0, 3
        else:
            end, skip = self._buffer.find(b"\r\n.\r\n", self._scanned), 5
        if end < 0:
            self._scanned = max(0, len(self._buffer) - 4)
            return self._oversized()
        content = bytes(self._buffer[: end + skip - 3])
        del self._buffer[: end + skip]
        self._in_data, self._scanned = False, 0
        self._replies.append(self._finish(content))
        return True

    def _oversized(self) -> bool:
        if len(self._buffer) > MAX_MESSAGE_BYTES:
            self._replies.append(b"552 5.3.4 Message too big\r\n")
            self._closing = True
        return False

    def _finish(self, content: bytes) -> bytes:
        if content.startswith(b"."):
            content = content[1:]
        if b"\r\n." in content:
            content = content.replace(b"\r\n.", b"\r\n")
        self._caught.append((self._sender or "", tuple(self._recipients), content))
        self._reset()
        return b"250 2.0.0 Caught\r\n"

    def _reset(self) -> None:
        self._sender = None
        self._recipients = []

    def _mail(self, line: bytes) -> bytes:
        found = _PATH.match(line, 5)
        if found is None:
            return b"501 5.5.4 MAIL FROM:<address>\r\n"
        if self._sender is not None:
            return b"503 5.5.1 A transaction is open\r\n"
        if self._store.full:
            return b"452 4.3.1 The mail catcher is full; empty it with DELETE /messages\r\n"
        self._sender = found[1].decode("utf-8", "replace")
        return b"250 2.1.0 OK\r\n"

    def _rcpt(self, line: bytes) -> bytes:
        found = _PATH.match(line, 5)
        if self._sender is None:
            return b"503 5.5.1 MAIL first\r\n"
        if found is None or not found[1]:
            return b"501 5.5.4 RCPT TO:<address>\r\n"
        if len(self._recipients) >= MAX_RECIPIENTS:
            return b"452 4.5.3 Too many recipients\r\n"
        self._recipients.append(found[1].decode("utf-8", "replace"))
        return b"250 2.1.5 OK\r\n"

    def _data(self, line: bytes) -> bytes:
        if not self._recipients:
            return b"503 5.5.1 RCPT first\r\n"
        self._in_data = True
        return b"354 End with <CR><LF>.<CR><LF>\r\n"

    def _ehlo(self, line: bytes) -> bytes:
        self._reset()
        return _CAPABILITIES

    def _helo(self, line: bytes) -> bytes:
        self._reset()
        return b"250 tidings-mail-catcher\r\n"

    def _rset(self, line: bytes) -> bytes:
        self._reset()
        return b"250 2.0.0 OK\r\n"

    def _quit(self, line: bytes) -> bytes:
        self._closing = True
        return b"221 2.0.0 Bye\r\n"
