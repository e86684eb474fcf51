"""Waiting that can be ended: by its time, and by whoever asks for a stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from code_service.fienta.port import FientaUnavailable

POLL_SECONDS = 0.1

T = TypeVar("T")
#: Raises when the work is to end, such as `JobContext.check_cancelled`.
Check = Callable[[], None]


def never() -> None:
    """Nobody asks to stop."""


async def within(seconds: float, check: Check, work: Awaitable[T]) -> T:
    """The result of `work`, which is cancelled when it takes longer or when `check` raises.

    Raises FientaUnavailable for the former, and what `check` raises, a tenth of a second later at most.
    """
    task = asyncio.ensure_future(work)
    deadline = asyncio.get_running_loop().time() + seconds
    try:
        while not (await asyncio.wait({task}, timeout=POLL_SECONDS))[0]:
            check()
            if asyncio.get_running_loop().time() > deadline:
                raise FientaUnavailable(f"no answer within {seconds:g} s")
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    return task.result()
