"""Notices that the client hung up while a service is still working for it."""

from __future__ import annotations

import asyncio

from starlette.types import Receive

from webhook_gateway.edge.body import RequestBody

_FIRST_LOOK_SECONDS = 0.05


class DisconnectWatch:
    """Cancels the task that created it when the client goes away; `fired` tells that from other reasons.

    Most answers arrive before the first look, so they pay for one timer only. While the body is still being
    read, its reader notices the disconnect instead.
    """

    def __init__(self, receive: Receive, body: RequestBody) -> None:
        self._receive = receive
        self._body = body
        self._loop = asyncio.get_running_loop()
        self._owner = asyncio.current_task()
        self._task: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(_FIRST_LOOK_SECONDS, self._look)
        self.fired = False

    def stop(self) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _look(self) -> None:
        if self._body.finished:
            self._task = self._loop.create_task(self._wait())
        else:
            self._timer = self._loop.call_later(_FIRST_LOOK_SECONDS, self._look)

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue  # a request without a body still has its one empty piece to give
        if self._owner is not None:
            self.fired = True
            self._owner.cancel()
