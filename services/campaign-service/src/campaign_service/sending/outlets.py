"""Where lanes get their connections from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Protocol

from campaign_service.rendering import OutgoingMail
from shared.utils import logger

from .outcomes import Outcome
from .smtp import SmtpConnection, SmtpError, SmtpSettings

_POLL_SECONDS = 0.5


class Connection(Protocol):
    """What mails are given to: an SMTP connection, or an HTTP API that behaves like one.

    `stream` yields one outcome a mail, in order, and ends early when the connection is of no use any more.
    """

    sent: int

    @property
    def usable(self) -> bool: ...

    def stream(self, mails: Iterator[OutgoingMail]) -> AsyncIterator[Outcome]: ...

    async def quit(self) -> None: ...


class Outlet(Protocol):
    """A server, or several that stand in for each other."""

    async def connect(self, stop: asyncio.Event) -> Connection | None:
        """A connection; None when there is none to be had, or it is time to stop."""
        ...

    def keeps(self, connection: Connection) -> bool:
        """Whether the next mails may go by a connection that is still open."""
        ...

    async def heard(self, connection: Connection, *, answered: bool, turned_away: bool) -> None:
        """What a window came to. `turned_away`: the server took or refused nobody, it wants no mail now."""
        ...


class Backoff:
    """One wait for all connections to a server that fails: 0.5 s, doubled up to 30 s."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0

    def failed(self) -> None:
        self._failures += 1
        self._until = asyncio.get_running_loop().time() + min(30.0, 0.25 * 2.0**self._failures)

    def worked(self) -> None:
        self._failures = 0

    @property
    def remaining(self) -> float:
        return max(0.0, self._until - asyncio.get_running_loop().time()) if self._failures else 0.0


class ServerOutlet:
    """The installation's mail server: there is no other, so lanes wait for it."""

    def __init__(self, server: SmtpSettings) -> None:
        self._server = server
        self._backoff = Backoff()

    async def connect(self, stop: asyncio.Event) -> Connection | None:
        while not stop.is_set():
            if self._backoff.remaining:
                await asyncio.sleep(min(self._backoff.remaining, _POLL_SECONDS))
                continue
            try:
                return await SmtpConnection.open(self._server)
            except SmtpError as error:
                self._backoff.failed()
                logger.warning("no connection to the mail server", error=str(error))
        return None

    def keeps(self, connection: Connection) -> bool:
        return True

    async def heard(self, connection: Connection, *, answered: bool, turned_away: bool) -> None:
        if answered:
            self._backoff.worked()
        elif not connection.usable:
            self._backoff.failed()
