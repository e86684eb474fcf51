"""Moves committed events from the outbox to the transport."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from uuid import UUID

from shared.database import SimpleDatabase
from shared.events import metrics, repository
from shared.events.envelope import Event
from shared.events.transports.base import EventNotTakenError, Transport
from shared.utils.logging import logger

BATCH = 200
LANES = 2
MAX_REFUSALS = 3
MAX_BACK_OFF_SECONDS = 15.0


class Relay:
    """Two lanes, each: take a batch out of the outbox, send it, commit. A crash in between sends the same
    ids again.

    When the transport refuses a batch for one of its events, the next `batch` events go one by one; the one
    that is refused `MAX_REFUSALS` times alone is set aside, to be listed and replayed as a dead letter.

    `poll` is in seconds and finds what other processes wrote; what this process wrote wakes the relay.
    """

    def __init__(
        self, db: SimpleDatabase, transport: Transport, *, poll: float = 0.2, batch: int = BATCH
    ) -> None:
        self._db = db
        self._transport = transport
        self._poll = poll
        self._batch = batch
        self._wake = asyncio.Event()
        self._stopping = False
        self._lanes: list[asyncio.Task[None]] = []
        self._singly = 0
        self._refusals: Counter[UUID] = Counter()
        # One at a time in both lanes together: a refusal may close the connection under the other's event.
        self._alone = asyncio.Lock()

    def start(self) -> None:
        self._lanes = [asyncio.create_task(self._run(), name=f"outbox relay {n}") for n in range(LANES)]

    async def stop(self) -> None:
        """Finish the batches in flight, then end."""
        self._stopping = True
        self._wake.set()
        _, stuck = await asyncio.wait(self._lanes, timeout=10) if self._lanes else (set(), set())
        for lane in stuck:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)

    def wake(self) -> None:
        self._wake.set()

    async def move_batch(self) -> int:
        """Move a batch, or what there is; how many events moved."""
        if self._singly:
            async with self._alone:
                return await self._move_one()
        try:
            return len(await self._move(self._batch))
        except EventNotTakenError:
            self._singly = self._batch
            raise

    async def _move(self, limit: int) -> list[Event]:
        events: list[Event] = []
        try:
            async with self._db.system_tx() as tx:
                events = await repository.claim_outbox(tx, limit)
                if events:
                    await self._transport.send(events, tx)
        except EventNotTakenError as error:
            if len(events) == limit == 1:
                await self._refused(events[0], error)
            raise
        metrics.relayed.inc(len(events))
        return events

    async def _move_one(self) -> int:
        async with self._db.system_tx() as tx:
            await repository.unpack_oldest(tx)
        moved = await self._move(1)
        self._singly = max(0, self._singly - 1) if moved else 0
        if not self._singly:
            self._refusals.clear()
        return len(moved)

    async def _refused(self, event: Event, error: EventNotTakenError) -> None:
        """Count a refusal; the last one allowed sets the event aside."""
        self._refusals[event.id] += 1
        tries = self._refusals[event.id]
        if tries < MAX_REFUSALS:
            return
        async with self._db.system_tx() as tx:
            is_aside = await repository.set_aside(tx, event.id, tries, str(error))
        del self._refusals[event.id]
        if is_aside:
            metrics.refused.inc()
            logger.error(
                "an event was refused again and again and is set aside",
                event_id=str(event.id),
                event_type=event.type,
                error=error,
            )

    async def _run(self) -> None:
        failures = 0
        while not self._stopping:
            # Asked before anything is taken: a broker that is away must not hold connections to the database.
            if not self._transport.can_send:
                await self._pause(self._poll)
                continue
            try:
                moved = await self.move_batch()
                failures = 0
                wait = 0.0 if moved >= self._batch or self._singly else self._poll
            except Exception as error:  # noqa: BLE001  # the relay must outlive every fault of broker and database
                failures += 1
                wait = back_off(failures)
                logger.warning(
                    "events could not be sent; they stay in the outbox", error=error, retry_in=wait
                )
                await self._pause(wait)
                continue
            if wait:
                await self._idle(wait)

    async def _idle(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()

    async def _pause(self, seconds: float) -> None:
        """Wait out a fault; new events do not cut it short, only the end of the process does."""
        for _ in range(max(1, round(seconds / 0.1))):
            if self._stopping:
                return
            await asyncio.sleep(min(seconds, 0.1))


def back_off(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling from 0.2 to 15, with jitter."""
    return float(min(0.2 * 2 ** (failures - 1), MAX_BACK_OFF_SECONDS) * random.uniform(0.8, 1.2))
