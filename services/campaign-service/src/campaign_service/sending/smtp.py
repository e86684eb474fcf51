"""An SMTP client for bulk mail: one connection, many messages, PIPELINING (RFC 2920) where the server has it.

The commands of the next message travel behind the final dot of this one, so a message costs one round trip.
aiosmtplib stays for single mails; this one is for speed and for an exact answer to "was it accepted?".
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

from campaign_service.rendering.model import OutgoingMail

from .outcomes import NotSent, Outcome
from .replies import Reply
from .talk import Pipelined, Stepwise
from .wire import SmtpError, Timeouts, Wire

__all__ = ["SmtpConnection", "SmtpError", "SmtpSettings", "Timeouts"]

Security = Literal["none", "starttls", "tls"]


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """Where to send. `starttls` is required when chosen, never silently skipped.

    `address` is connected to in place of `host`, which stays the name that the certificate must have.
    """

    host: str
    port: int = 25
    security: Security = "none"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    helo: str = "localhost"
    timeouts: Timeouts = field(default_factory=Timeouts)
    pipelining: bool = True
    address: str | None = None

    @classmethod
    def from_url(cls, url: str, *, helo: str = "localhost", timeouts: Timeouts | None = None) -> SmtpSettings:
        """`smtp://`, `smtps://` or `smtp+starttls://`, with optional user:password."""
        parts = urlsplit(url)
        kinds: dict[str, Security] = {"smtp": "none", "smtps": "tls", "smtp+starttls": "starttls"}
        if parts.scheme not in kinds or not parts.hostname:
            raise ValueError("an SMTP address reads smtp://[user:password@]host[:port]")
        return cls(
            host=parts.hostname,
            port=parts.port or {"none": 25, "tls": 465, "starttls": 587}[kinds[parts.scheme]],
            security=kinds[parts.scheme],
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            helo=helo,
            timeouts=timeouts or Timeouts(),
        )


class SmtpConnection:
    """One connection after greeting, EHLO, TLS and AUTH. Not for use by two tasks at once."""

    def __init__(self, wire: Wire, settings: SmtpSettings) -> None:
        self._wire = wire
        self._settings = settings
        self.extensions: dict[str, str] = {}
        self.sent = 0

    @classmethod
    async def open(cls, settings: SmtpSettings) -> SmtpConnection:
        """Raises SmtpError when the server cannot be reached or does not let us in."""
        context = ssl.create_default_context() if settings.security != "none" else None
        try:
            async with asyncio.timeout(settings.timeouts.connect):
                _, wire = await asyncio.get_running_loop().create_connection(
                    Wire,
                    settings.address or settings.host,
                    settings.port,
                    ssl=context if settings.security == "tls" else None,
                    server_hostname=settings.host if settings.security == "tls" else None,
                )
        except (OSError, TimeoutError) as error:
            raise SmtpError(f"cannot connect: {error or 'no answer in time'}") from error
        connection = cls(wire, settings)
        try:
            await connection._greet(context)
        except BaseException:
            wire.close()
            raise
        return connection

    async def _greet(self, context: ssl.SSLContext | None) -> None:
        timeouts = self._settings.timeouts
        self._expect(await self._wire.reply(timeouts.greeting), 2, "greeting")
        await self._hello()
        if self._settings.security == "starttls":
            assert context is not None
            if "STARTTLS" not in self.extensions:
                raise SmtpError("the server offers no STARTTLS")
            self._expect(await self._command("STARTTLS"), 2, "STARTTLS")
            try:
                await self._wire.upgrade(context, self._settings.host, timeouts.connect)
            except (OSError, TimeoutError) as error:
                raise SmtpError(f"TLS failed: {error}") from error
            await self._hello()
        if self._settings.username:
            await self._authenticate(self._settings.username, self._settings.password or "")

    async def _hello(self) -> None:
        reply = await self._command(f"EHLO {self._settings.helo}")
        if reply.code // 100 == 5:
            reply = await self._command(f"HELO {self._settings.helo}")
            self.extensions = {}
            self._expect(reply, 2, "HELO")
            return
        self._expect(reply, 2, "EHLO")
        lines = (line.partition(" ") for line in reply.text.split("\n")[1:])
        self.extensions = {name.upper(): rest for name, _, rest in lines}

    async def _authenticate(self, username: str, password: str) -> None:
        offered = self.extensions.get("AUTH", "").upper().split()
        if "PLAIN" in offered:
            reply = await self._command(f"AUTH PLAIN {_b64(f'{chr(0)}{username}{chr(0)}{password}')}")
        elif "LOGIN" in offered:
            self._expect(await self._command("AUTH LOGIN"), 3, "AUTH")
            self._expect(await self._command(_b64(username)), 3, "AUTH")
            reply = await self._command(_b64(password))
        else:
            raise SmtpError("the server offers neither AUTH PLAIN nor AUTH LOGIN")
        self._expect(reply, 2, "AUTH")

    async def _command(self, line: str) -> Reply:
        self._wire.write(line.encode("utf-8") + b"\r\n")
        return await self._wire.reply(self._settings.timeouts.command)

    @staticmethod
    def _expect(reply: Reply, hundred: int, phase: str) -> None:
        if reply.code // 100 != hundred:
            raise SmtpError(f"{phase} refused: {reply}", reply)

    @property
    def usable(self) -> bool:
        return self._wire.lost is None

    async def send(self, mails: Sequence[OutgoingMail]) -> list[Outcome]:
        """One outcome per mail, in order. Never raises for what the server or the network does."""
        outcomes = [outcome async for outcome in self.stream(iter(mails))]
        outcomes += [NotSent("the connection ended before this mail", tried=False)] * (
            len(mails) - len(outcomes)
        )
        return outcomes

    async def stream(self, mails: Iterator[OutgoingMail]) -> AsyncIterator[Outcome]:
        """Outcomes as they come; ends early, with fewer outcomes than mails, when the connection ends.

        A mail is taken from the iterator one ahead of the one whose outcome comes next.
        """
        pipelined = self._settings.pipelining and "PIPELINING" in self.extensions
        kind = Pipelined if pipelined else Stepwise
        utf8 = "SMTPUTF8" in self.extensions
        talk = kind(self._wire, self._settings.timeouts, first=self.sent == 0, utf8=utf8)
        async for outcome in talk.run(mails):
            self.sent += 1
            yield outcome

    async def quit(self) -> None:
        """Says goodbye and closes; never raises."""
        if self.usable:
            self._wire.write(b"QUIT\r\n")
            with suppress(SmtpError):  # gone already: the same result
                await self._wire.reply(min(2.0, self._settings.timeouts.command))
        self._wire.close()

    def abort(self) -> None:
        self._wire.close()


def _b64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8")).decode("ascii")
