"""Server-sent events: the state of something whenever it has changed, until it is over."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from campaign_service.settings import settings_of
from shared.errors import NotFoundError, RateLimitError
from shared.web import Runtime

_HEARTBEAT_SECONDS = 15.0
#: A state that is dear to find out is looked at less often.
_REST = 10
_RETRY_MILLISECONDS = 3000


@dataclass(frozen=True, slots=True)
class State:
    """What is told. `is_over`: nothing changes any more by itself."""

    data: BaseModel
    is_over: bool


Look = Callable[[], Awaitable[State]]


def _message(event: str, event_id: str, data: Any) -> bytes:
    return f"id: {event_id}\nevent: {event}\ndata: {json.dumps(data)}\n\n".encode()


def _id(data: Any) -> str:
    """Names a state: a client that has it gets no second copy when it comes back."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


def open_streams(rt: Runtime) -> Counter[UUID]:
    """Streams of this process by tenant."""
    streams: Counter[UUID] = rt.extras.setdefault("live.streams", Counter())
    return streams


def respond(rt: Runtime, request: Request, tenant_id: UUID, ends_at: float, look: Look) -> StreamingResponse:
    """A stream of `progress` events that ends with `end`, or at the time (of the epoch) the token ends.

    Raises RateLimitError when the tenant, or the process, has too many of them.
    """
    streams, settings = open_streams(rt), settings_of(rt)
    if streams[tenant_id] >= settings.live_per_tenant or streams.total() >= settings.live_streams:
        raise RateLimitError("Too many streams are open", retry_after=10)
    # Taken here, so that many who come at once cannot all find room.
    streams[tenant_id] += 1
    events = _Events(rt, look, ends_at, request.headers.get("last-event-id", ""))
    return _Response(events.run(), lambda: streams.subtract([tenant_id]))


class _Response(StreamingResponse):
    """Gives its place back however it ends, also when it never began."""

    def __init__(self, events: AsyncIterator[bytes], release: Callable[[], None]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._release = release

    async def __call__(self, *args: Any) -> None:
        try:
            await super().__call__(*args)
        finally:
            self._release()


class _Events:
    def __init__(self, rt: Runtime, look: Look, ends_at: float, last_id: str) -> None:
        self._rt = rt
        self._look = look
        self._ends_at = ends_at
        self._told = last_id
        self._told_at = time.monotonic()

    async def run(self) -> AsyncIterator[bytes]:
        yield f"retry: {_RETRY_MILLISECONDS}\n\n".encode()
        while True:
            began = time.monotonic()
            try:
                state = await self._look()
            except NotFoundError:
                yield _message("end", self._told, {"reason": "gone"})
                return
            data = state.data.model_dump(mode="json")
            event_id = _id(data)
            if event_id != self._told:
                yield _message("progress", event_id, data)
                self._note(event_id)
            if state.is_over:
                yield _message("end", event_id, {"reason": "over"})
                return
            if time.monotonic() - self._told_at > _HEARTBEAT_SECONDS:
                yield b": still here\n\n"
                self._note(self._told)
            took = time.monotonic() - began
            await asyncio.sleep(max(settings_of(self._rt).live_seconds, took * _REST))
            if reason := self._why_stop():
                yield _message("end", self._told, {"reason": reason})
                return

    def _note(self, event_id: str) -> None:
        self._told, self._told_at = event_id, time.monotonic()

    def _why_stop(self) -> str | None:
        if self._rt.clock.now().timestamp() >= self._ends_at:
            return "token"
        return None if self._rt.ready else "stopping"
