"""A cache in which those who ask for the same thing at the same time share one request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

V = TypeVar("V")


class Memo(Generic[V]):
    """What was fetched once is kept; what failed is forgotten, so the next one tries again."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[V]] = {}

    async def get(self, key: Hashable, fetch: Callable[[], Coroutine[Any, Any, V]]) -> V:
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(fetch())
            task.add_done_callback(lambda done: self._settle(key, done))
        # One of those who wait may give up; the others still want the answer.
        return await asyncio.shield(task)

    def _settle(self, key: Hashable, task: asyncio.Task[V]) -> None:
        if task.cancelled() or task.exception() is not None:
            self.forget(key)

    def forget(self, key: Hashable) -> None:
        self._tasks.pop(key, None)

    async def close(self) -> None:
        """Stop what is still under way, and forget everything."""
        tasks = [task for task in self._tasks.values() if not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
