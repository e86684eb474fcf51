"""Ends a proxied request that takes too long or that nobody waits for any more."""

from __future__ import annotations

import asyncio
from typing import Literal

from starlette.types import Receive

from webhook_gateway.edge.body import RequestBody

_TICK_SECONDS = 0.05
Reason = Literal["client_gone", "timeout"]


class Supervisor:
    """Cancels the task that created it; `reason` tells that from other cancellations.

    One timer watches everything: silence of the service (`patience`, from the last `progress` or piece of the
    client's body), the whole request (`total`), and the client hanging up. Most answers arrive before its
    first tick, so that is all they pay. While the body is still being read, its reader notices the disconnect
    and the client's own silence instead. Seconds; None is for ever.
    """

    __slots__ = (
        "_began",
        "_body",
        "_last",
        "_listener",
        "_loop",
        "_owner",
        "_patience",
        "_receive",
        "_taken",
        "_timer",
        "_total",
        "reason",
    )

    def __init__(
        self, receive: Receive, body: RequestBody, *, patience: float | None, total: float | None
    ) -> None:
        self._receive = receive
        self._body = body
        self._taken = body.taken
        self._patience = patience
        self._total = total
        self._loop = asyncio.get_running_loop()
        self._owner = asyncio.current_task()
        self._listener: asyncio.Task[None] | None = None
        self._began = self._last = self._loop.time()
        self._timer = self._loop.call_later(_TICK_SECONDS, self._tick)
        self.reason: Reason | None = None

    def progress(self) -> None:
        """The service or the client did something: its patience begins anew."""
        self._last = self._loop.time()

    def allow_length(self) -> None:
        """The answer is a stream: it may take as long as it goes on."""
        self._total = None
        self.progress()

    def stop(self) -> None:
        self._timer.cancel()
        if self._listener is not None:
            self._listener.cancel()

    def _tick(self) -> None:
        now = self._loop.time()
        if self._body.is_awaited or self._body.taken != self._taken:
            self._taken, self._last = self._body.taken, now
        silent = self._patience is not None and now - self._last > self._patience
        late = self._total is not None and now - self._began > self._total
        if silent or late:
            self._end("timeout")
            return
        if self._listener is None and self._body.finished:
            self._listener = self._loop.create_task(self._listen())
        self._timer = self._loop.call_later(_TICK_SECONDS, self._tick)

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue  # a request without a body still has its one empty piece to give
        self._end("client_gone")

    def _end(self, reason: Reason) -> None:
        if self._owner is not None and self.reason is None:
            self.reason = reason
            self._owner.cancel()
