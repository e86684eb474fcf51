"""Callers that want one code of a pool at the same moment are served together.

What an allocation costs is mostly the round trip and the commit. While statements are on their way, those who
come wait for the next, which takes a code for each of them; a caller who comes alone does not wait.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from contextvars import Context
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

from code_service.allocation import repository
from code_service.allocation.repository import Taken, UnfitWishError, Wish
from shared.database import SimpleDatabase
from shared.errors import ServiceUnavailableError
from shared.web import Runtime

_AT_ONCE = 2  # statements of a pool on their way: Postgres works for one, this process for the other
_LEAST = 8  # callers for whom one statement is cheaper than two
_MOST = 64  # callers served by one
_PATIENCE = 5.0  # seconds until the last codes, held by others, count as taken
_PAUSE = 0.005
_Pool = tuple[UUID, str, str]


@dataclass(eq=False, slots=True)
class _Caller:
    wish: Wish
    answer: asyncio.Future[Taken | None]
    since: float = field(default_factory=time.monotonic)


class AllocationDesk:
    """One per process."""

    def __init__(self, db: SimpleDatabase) -> None:
        self._db = db
        self._waiting: dict[_Pool, deque[_Caller]] = {}
        self._serving: Counter[_Pool] = Counter()
        self._served: Counter[_Pool] = Counter()  # callers whose statement is on its way
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, wish: Wish) -> Taken | None:
        """The code, stored as taken; None when the pool is empty.

        Raises ServiceUnavailableError while the last codes are held by others.
        """
        pool = (wish.tenant_id, wish.type, wish.pool)
        caller = _Caller(wish, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(pool, deque()).append(caller)
        if self._serving[pool] < _AT_ONCE:
            self._serving[pool] += 1
            # Not in the context of this caller: the task serves others too.
            task = asyncio.create_task(self._serve(pool), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await caller.answer

    async def _serve(self, pool: _Pool) -> None:
        try:
            while callers := self._next(pool):
                self._served[pool] += len(callers)
                try:
                    again = await self._answer(callers)
                finally:
                    self._served[pool] -= len(callers)
                # Who has its answer may come again at once, and is then served with the others.
                await asyncio.sleep(_PAUSE if again else 0)
                if again:
                    self._waiting.setdefault(pool, deque()).extendleft(reversed(again))
        finally:
            self._serving[pool] -= 1
            if not self._serving[pool]:
                for of_pool in (self._serving, self._served, self._waiting):
                    of_pool.pop(pool, None)

    def _next(self, pool: _Pool) -> list[_Caller]:
        """Those who wait longest, up to a fair share of all.

        Of callers with the same key one; the others find its result later.
        """
        queue = self._waiting.get(pool, deque())
        share = -(-(len(queue) + self._served[pool]) // _AT_ONCE)
        most = min(max(share, _LEAST), _MOST)
        chosen: list[_Caller] = []
        later: list[_Caller] = []
        keys: set[str] = set()
        while queue and len(chosen) < most:
            caller = queue.popleft()
            if caller.wish.key in keys:
                later.append(caller)
            elif not caller.answer.done():
                chosen.append(caller)
                keys |= {caller.wish.key} if caller.wish.key is not None else set()
        queue.extendleft(reversed(later))
        return chosen

    async def _answer(self, callers: list[_Caller]) -> list[_Caller]:
        """Serve some callers; those who have to ask again."""
        try:
            rows = await repository.allocate_each(self._db, [caller.wish for caller in callers])
        except UnfitWishError as error:
            if len(callers) == 1:
                _fail(callers[0], error)
                return []
            # One wish that Postgres cannot store must not cost the others theirs.
            return [again for caller in callers for again in await self._answer([caller])]
        except Exception as error:  # noqa: BLE001  # whatever it is, each caller is told
            for caller in callers:
                _fail(caller, error)
            return []
        return [caller for caller, row in zip(callers, rows, strict=True) if not _settle(caller, row)]


def _settle(caller: _Caller, row: Taken | None) -> bool:
    """Whether the caller has an answer now."""
    if row is None or row.outcome == "busy":
        if time.monotonic() - caller.since < _PATIENCE:
            return False
        _fail(caller, ServiceUnavailableError("Others are about to take the last codes"))
    elif not caller.answer.done():
        caller.answer.set_result(None if row.outcome == "empty" else row)
    return True


def _fail(caller: _Caller, error: Exception) -> None:
    if not caller.answer.done():
        caller.answer.set_exception(error)


def desk_of(runtime: Runtime) -> AllocationDesk:
    """This process's desk."""
    found = runtime.extras.get("allocation.desk")
    if found is None:
        found = runtime.extras["allocation.desk"] = AllocationDesk(runtime.db)
    return cast(AllocationDesk, found)
