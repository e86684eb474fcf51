"""The SMTP dialogue of one mail after another, and what each answer makes of a mail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

from campaign_service.rendering.model import OutgoingMail

from .outcomes import Accepted, Ambiguous, NotSent, Outcome, Rejected
from .replies import Reply, Stage
from .wire import SmtpError, Timeouts, Wire

OPENING: tuple[tuple[Stage, int], ...] = (("mail", 2), ("rcpt", 2), ("data", 3))
_WHOLE_WRITE = 128 * 1024
#: RFC 6531 3.5: said by us in the server's place.
NO_UTF8 = Rejected(Reply(553, "5.6.7 the mail server takes no addresses with letters beyond ASCII"), "rcpt")


class _Talk:
    """What both ways of talking share: the envelope, the content and the meaning of each answer."""

    def __init__(self, wire: Wire, timeouts: Timeouts, *, first: bool, utf8: bool = False) -> None:
        self._wire = wire
        self._timeouts = timeouts
        self._first = first
        self._utf8 = utf8

    def _can_take(self, mail: OutgoingMail) -> bool:
        return self._utf8 or not mail.utf8

    def _begin(self) -> bool:
        """Whether this is the talk's first mail: a loss before any answer is then put down to the mail."""
        first, self._first = self._first, False
        return first

    async def _reply(self) -> Reply:
        return await self._wire.reply(self._timeouts.command)

    async def _send_content(self, mail: OutgoingMail, following: bytes) -> None:
        """Writes content, dot and `following`; raises SmtpError only while the dot is not written."""
        body = stuffed(mail.content)
        if len(body) <= _WHOLE_WRITE and not self._wire.backlog:
            self._wire.write(body + b".\r\n" + following)
            return
        self._wire.write(body)
        await self._wire.drained(self._timeouts.content)
        self._wire.write(b".\r\n" + following)

    async def _finish(self, refusal: Outcome | None, opening: bytes) -> Outcome:
        """The outcome of a mail whose content was sent, or the refusal after clearing the server's state."""
        if refusal is None:
            return await self._content_outcome()
        self._wire.write(b"RSET\r\n" + opening)
        with suppress(SmtpError):  # the refusal itself is known; the caller sees the loss
            await self._reply()
        return refusal

    async def _content_outcome(self) -> Outcome:
        try:
            reply = await self._wire.reply(self._timeouts.content)
        except SmtpError as error:
            return Ambiguous(str(error))
        return self._answered(reply, "content")

    def _answered(self, reply: Reply, stage: Stage) -> Outcome:
        if reply.code == 421:
            # the server closes: what it has refused it has not taken
            self._wire.close()
            if stage == "mail":
                return NotSent(str(reply), tried=False)
        return Accepted(reply) if reply.code // 100 == 2 else Rejected(reply, stage)


def envelope(mail: OutgoingMail) -> tuple[bytes, bytes]:
    """MAIL and RCPT without CRLF; the addresses passed `safe_address` and hold no CR, LF or `>`."""
    option = " SMTPUTF8" if mail.utf8 else ""
    return f"MAIL FROM:<{mail.sender}>{option}".encode(), f"RCPT TO:<{mail.recipient}>".encode()


def stuffed(content: bytes) -> bytes:
    """Dot-stuffed, ending in CRLF; the final dot is not part of it."""
    if b"\r\n." in content:
        content = content.replace(b"\r\n.", b"\r\n..")
    if content.startswith(b"."):
        content = b"." + content
    return content if content.endswith(b"\r\n") else content + b"\r\n"


class Pipelined(_Talk):
    """MAIL, RCPT and DATA in one write; those of the next mail behind the final dot of this one."""

    async def run(self, mails: Iterator[OutgoingMail]) -> AsyncIterator[Outcome]:
        mail = next(mails, None)
        if mail is not None:
            self._wire.write(self._opening(mail))
        while mail is not None:
            following = next(mails, None)
            opening = self._opening(following) if following else b""
            if self._can_take(mail):
                yield await self._one(mail, opening)
            else:
                self._wire.write(opening)
                yield NO_UTF8
            if self._wire.lost is not None:
                return
            mail = following

    def _opening(self, mail: OutgoingMail) -> bytes:
        if not self._can_take(mail):
            return b""
        sender, recipient = envelope(mail)
        return sender + b"\r\n" + recipient + b"\r\nDATA\r\n"

    async def _one(self, mail: OutgoingMail, opening: bytes) -> Outcome:
        """Reads the answers to the opening of `mail`; all good: sends its content and the next `opening`."""
        refusal: Outcome | None = None
        begun = self._begin()
        try:
            for stage, good in OPENING:
                reply = await self._reply()
                begun = True
                if reply.code // 100 != good:
                    refusal = refusal or self._answered(reply, stage)
                elif refusal and stage == "data":
                    # RFC 2920: a server may take DATA with no recipient; an empty content ends it, for nobody
                    self._wire.write(b".\r\n")
                    await self._reply()
            if refusal is None:
                await self._send_content(mail, opening)
        except SmtpError as error:
            return refusal or NotSent(str(error), tried=begun)
        return await self._finish(refusal, opening)


class Stepwise(_Talk):
    """One command at a time, for servers without PIPELINING."""

    async def run(self, mails: Iterator[OutgoingMail]) -> AsyncIterator[Outcome]:
        for mail in mails:
            yield await self._one(mail) if self._can_take(mail) else NO_UTF8
            if self._wire.lost is not None:
                return

    async def _one(self, mail: OutgoingMail) -> Outcome:
        refusal: Outcome | None = None
        begun = self._begin()
        try:
            for (stage, good), line in zip(OPENING, (*envelope(mail), b"DATA"), strict=True):
                self._wire.write(line + b"\r\n")
                reply = await self._reply()
                begun = True
                if reply.code // 100 != good:
                    refusal = self._answered(reply, stage)
                    break
            if refusal is None:
                await self._send_content(mail, b"")
        except SmtpError as error:
            return NotSent(str(error), tried=begun)
        return await self._finish(refusal, b"")
