"""The limiter: one statement counts all requests that arrived while the one before it was under way."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

from shared.database import SimpleDatabase
from shared.errors import RateLimitError
from shared.utils.clock import Clock
from webhook_gateway.edge.headers import Headers
from webhook_gateway.identity.lru import ExpiringLru
from webhook_gateway.limits import repository
from webhook_gateway.limits.repository import Grant

_KNOWN_EXHAUSTED = 50_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass, and the window it was counted in (seconds)."""

    allowed: bool
    limit: int
    window: int
    remaining: int
    reset: int
    retry: int

    def headers(self) -> Headers:
        """RateLimit fields of the IETF draft, and the older X-RateLimit ones."""
        limit, left, reset = str(self.limit).encode(), str(self.remaining).encode(), str(self.reset).encode()
        return [
            (b"ratelimit-policy", b'"default";q=%s;w=%d' % (limit, self.window)),
            (b"ratelimit", b'"default";r=%s;t=%s' % (left, reset)),
            (b"x-ratelimit-limit", limit),
            (b"x-ratelimit-remaining", left),
            (b"x-ratelimit-reset", reset),
        ]

    def check(self) -> None:
        """`RateLimitError` with Retry-After unless the request may pass."""
        if not self.allowed:
            raise RateLimitError(
                f"More than {self.limit} requests in {self.window} seconds",
                retry_after=self.retry,
                details={"limit": self.limit, "window_seconds": self.window},
            )


class RateLimiter:
    """Counts in Postgres, so the limit holds over all processes; never more than `limit` requests pass.

    Requests that arrive while a statement runs are counted together by the next one, so the database sees
    at most one statement at a time from a process, however many requests there are. A caller known to be
    at the limit is refused without asking again until it can change.
    """

    def __init__(self, db: SimpleDatabase, clock: Clock, *, limit: int, window: int) -> None:
        self._db = db
        self._limit = limit
        self._window = window
        self._queue: dict[str, list[asyncio.Future[Verdict]]] = {}
        self._flusher: asyncio.Task[None] | None = None
        self._exhausted: ExpiringLru[float] = ExpiringLru(_KNOWN_EXHAUSTED, clock.monotonic)
        self._clock = clock

    async def take(self, key: str) -> Verdict:
        """Count one request of `key`. Raises `LimiterUnavailableError`; the caller decides what then."""
        until = self._exhausted.get(key)
        if until is not None:
            return self._refused(until - self._clock.monotonic())
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._queue.setdefault(key, []).append(future)
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush())
        return await future

    async def _flush(self) -> None:
        try:
            while self._queue:
                queue, self._queue = self._queue, {}
                await self._count(queue)
        finally:
            self._flusher = None

    async def _count(self, queue: dict[str, list[asyncio.Future[Verdict]]]) -> None:
        # In one order everywhere: two processes never wait for each other's rows.
        wanted = [(key, len(queue[key])) for key in sorted(queue)]
        try:
            grants = await repository.take(self._db, wanted, self._limit, self._window)
        except Exception as error:  # noqa: BLE001  # each waiting request gets the reason, whatever it is
            _fail([future for waiting in queue.values() for future in waiting], error)
            return
        for key, waiting in queue.items():
            self._settle(key, waiting, grants[key])

    def _settle(self, key: str, waiting: list[asyncio.Future[Verdict]], grant: Grant) -> None:
        for place, future in enumerate(waiting):
            if future.done():
                continue
            if place < grant.granted:
                left = grant.remaining + grant.granted - place - 1
                future.set_result(self._allowed(left, grant.reset))
            else:
                future.set_result(self._refused(grant.retry))
        if grant.granted < len(waiting):
            self._exhausted.put(key, self._clock.monotonic() + grant.retry, grant.retry)

    def _allowed(self, remaining: int, reset: float) -> Verdict:
        return Verdict(True, self._limit, self._window, remaining, math.ceil(reset), 0)

    def _refused(self, retry: float) -> Verdict:
        seconds = max(1, math.ceil(retry))
        return Verdict(False, self._limit, self._window, 0, seconds, seconds)


def _fail(futures: list[asyncio.Future[Verdict]], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
