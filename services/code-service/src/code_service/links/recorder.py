"""Clicks wait in memory for a moment and are written many at once; a redirect never waits for them."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from datetime import date, timedelta
from itertools import islice
from typing import Any, cast

from code_service.links import repository
from code_service.links.visit import Click
from shared.database import Tx
from shared.events import new_event
from shared.jobs import JobContext, Schedule, job
from shared.utils.logging import logger
from shared.web import Runtime

_FLUSH_SECONDS = 0.2
_BATCH = 500
#: While the database is away, so many wait; then the oldest go.
_MOST_WAITING = 100_000
_LAST_TRIES = 3
#: Clicks of a day may still wait to be written in the next.
KEEP_SALTS = timedelta(days=1)


class ClickRecorder:
    """One per process. `close` writes everything that waits: a clean stop loses no click."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiting: deque[Click] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._salts: dict[date, bytes] = {}
        self._task = asyncio.create_task(self._run(), name="click recorder")

    def add(self, click: Click) -> None:
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.popleft()
            logger.warning("a click was dropped: too many wait for the database")
        self._waiting.append(click)
        if len(self._waiting) >= _BATCH:
            self._wake.set()

    async def close(self) -> None:
        self._closing = True
        self._wake.set()
        await self._task
        for _ in range(_LAST_TRIES):
            if not self._waiting or await self._flush():
                break
            await asyncio.sleep(_FLUSH_SECONDS)
        if self._waiting:
            logger.error("clicks are lost: the database cannot be reached", number=len(self._waiting))

    async def _run(self) -> None:
        while not self._closing:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _FLUSH_SECONDS)
            self._wake.clear()
            await self._flush()

    async def _flush(self) -> bool:
        """Write all that waits; False when that failed and they go on waiting."""
        while self._waiting:
            batch = list(islice(self._waiting, _BATCH))
            try:
                await self._store(batch)
            except Exception as error:  # noqa: BLE001  # whatever is wrong with the database, clicks are kept
                logger.warning(
                    "clicks could not be written; they wait", error=error, number=len(self._waiting)
                )
                return False
            written = {click.id for click in batch}
            while self._waiting and self._waiting[0].id in written:
                self._waiting.popleft()
        return True

    async def _store(self, batch: list[Click]) -> None:
        async with self._runtime.db.system_tx() as tx:
            salts = await self._salts_for(tx, batch)
            clicked = await repository.store_clicks(tx, batch, salts)
            events = [
                new_event(
                    "code.link.clicked.v1",
                    {
                        "link_id": str(row["link_id"]),
                        "short_id": row["short_id"],
                        "target_url": row["target_url"],
                        "occurred_at": row["at"].isoformat(),
                        "verdict": "human",
                        "visitor": row["visitor"] or None,
                    },
                    tenant_id=row["tenant_id"],
                    subject=str(row["link_id"]),
                )
                for row in clicked
            ]
            await self._runtime.events.publish_many(tx, events)
        # Only what is committed is the salt of all processes; those of other days are forgotten.
        self._salts = salts

    async def _salts_for(self, tx: Tx, batch: list[Click]) -> dict[date, bytes]:
        days = {click.at.date() for click in batch}
        return {day: self._salts.get(day) or await repository.salt_of(tx, day) for day in days}


@job("links.forget-salts", max_attempts=3)
async def forget_salts(ctx: JobContext) -> dict[str, Any]:
    """Destroy the salts of visitors after two days."""
    async with ctx.tx() as tx:
        today = ctx.runtime.clock.now().date()
        return {"forgotten": await repository.forget_salts(tx, today - KEEP_SALTS)}


JOBS = (forget_salts,)
SCHEDULES = (Schedule("forget-visitor-salts", "00:20", forget_salts.type),)


async def open_recorder(runtime: Runtime) -> None:
    """For the service's start."""
    runtime.extras["clicks"] = ClickRecorder(runtime)


async def close_recorder(runtime: Runtime) -> None:
    """For the service's end, after the last request."""
    await recorder_of(runtime).close()


def recorder_of(runtime: Runtime) -> ClickRecorder:
    return cast(ClickRecorder, runtime.extras["clicks"])
