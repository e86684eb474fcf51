"""Slows down those who guess tokens."""

from __future__ import annotations

from collections.abc import Callable

from shared.errors import RateLimitError
from webhook_gateway.identity.lru import ExpiringLru

MAX_FAILURES = 100
WINDOW_SECONDS = 60.0


class FailureGuard:
    """Counts refusals per address in this process: 100 a minute, then 429 without looking further.

    It limits guessing and its load only, so each process may count for itself. Good senders never meet it.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._failures: ExpiringLru[list[int]] = ExpiringLru(50_000, now)

    def check(self, bucket: str) -> None:
        """`RateLimitError` for an address with too many refusals."""
        count = self._failures.get(bucket)
        if count is not None and count[0] >= MAX_FAILURES:
            raise RateLimitError("Too many refused requests", retry_after=int(WINDOW_SECONDS))

    def note(self, bucket: str) -> None:
        """Count a refusal; the window begins with the first."""
        count = self._failures.get(bucket)
        if count is None:
            self._failures.put(bucket, [1], WINDOW_SECONDS)
        else:
            count[0] += 1
