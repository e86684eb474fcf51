"""Events over Postgres, through the service's own connection pool."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from shared.database import SimpleDatabase, Tx
from shared.events.envelope import Event, from_row
from shared.events.relay import back_off
from shared.events.transports import repository
from shared.events.transports.base import (
    MAX_CLAIMS,
    DeadLetter,
    Delivery,
    Done,
    GiveUp,
    Handle,
    Outcome,
    Retry,
    Subscription,
)
from shared.utils.logging import logger

PREFETCH = 100
LEASE_SECONDS = 60.0
_CLEAN_UP_SECONDS = 300.0
_KEEP_DONE_SECONDS = 3600.0
_SETTLE_TRIES = 5
_STOP_SECONDS = 5.0


@dataclass(slots=True, eq=False)
class _Listener:
    subscription: Subscription
    handle: Handle
    slots: asyncio.Semaphore
    in_flight: dict[UUID, asyncio.Task[None]] = field(default_factory=dict)
    is_subscribed: bool = False

    @property
    def most(self) -> int:
        return max(PREFETCH, 2 * self.subscription.concurrency)

    @property
    def room(self) -> int:
        """How many more to take; 0 for a few, which are not worth a round trip."""
        free = self.most - len(self.in_flight)
        return free if free >= self.most // 2 else 0


class PostgresTransport:
    """One poller takes deliveries for all consumers of the process; what is done is removed in batches.

    `poll` and `lease` are in seconds. A delivery whose process died is due again when its lease ends.
    """

    name = "postgres"

    def __init__(self, db: SimpleDatabase, *, poll: float = 0.15, lease: float = LEASE_SECONDS) -> None:
        self._db = db
        self._poll = poll
        self._lease = lease
        self._listeners: dict[str, _Listener] = {}
        self._done: list[tuple[str, UUID]] = []
        self._wake = asyncio.Event()
        self._has_done = asyncio.Event()
        self._stopped = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._is_connected = False
        self._draining = False
        self._last_confirm_at: float | None = None

    @property
    def is_connected(self) -> bool:
        return self._is_connected

    @property
    def can_send(self) -> bool:
        return all(listener.is_subscribed for listener in self._listeners.values())

    @property
    def last_confirm_at(self) -> float | None:
        return self._last_confirm_at

    async def start(self) -> None:
        self._is_connected = await self._db.health_check()
        loops = (self._take_forever, self._finish_forever, self._extend_forever, self._clean_up_forever)
        self._tasks = [asyncio.create_task(loop(), name=f"bus {loop.__name__}") for loop in loops]

    async def stop(self) -> None:
        await self.drain()
        self._stopped.set()
        self._has_done.set()
        if self._tasks:
            # Not cancelled at once: that would cut transactions short.
            _, stuck = await asyncio.wait(self._tasks, timeout=_STOP_SECONDS)
            for task in stuck:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._is_connected = False

    async def send(self, events: Sequence[Event], tx: Tx) -> None:
        await repository.publish(tx, events)
        tx.after_commit.append(self._sent)

    def _sent(self) -> None:
        self._last_confirm_at = time.monotonic()
        self._wake.set()

    async def subscribe(self, subscription: Subscription, handle: Handle) -> None:
        listener = _Listener(subscription, handle, asyncio.Semaphore(subscription.concurrency))
        self._listeners[subscription.subscriber] = listener
        try:
            await self._register(listener)
        except Exception as error:  # noqa: BLE001  # the poller tries again until the database is there
            logger.warning("the subscription could not be stored yet", error=error)

    async def _register(self, listener: _Listener) -> None:
        async with self._db.system_tx() as tx:
            await repository.subscribe(tx, listener.subscription.subscriber, listener.subscription.types)
        listener.is_subscribed = True

    # Taking deliveries

    async def _take_forever(self) -> None:
        failures = 0
        while not self._draining:
            try:
                taken = await self._take()
                failures, self._is_connected = 0, True
            except Exception as error:  # noqa: BLE001  # the poller must outlive every fault of the database
                failures, self._is_connected = failures + 1, False
                logger.warning("events could not be taken from the bus", error=error)
                await asyncio.sleep(back_off(failures))
                continue
            if not taken:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._poll)
                self._wake.clear()

    async def _take(self) -> int:
        """Take what is due and there is room for; how many deliveries that were."""
        for listener in list(self._listeners.values()):
            if not listener.is_subscribed:
                await self._register(listener)
        room = {name: one.room for name, one in self._listeners.items() if one.room}
        if not room:
            return 0
        async with self._db.system_tx() as tx:
            rows = await repository.claim(tx, room, self._lease)
        for row in rows:
            listener = self._listeners[row["subscriber"]]
            event = from_row(row)
            if event.id not in listener.in_flight:
                work = self._deliver(listener, Delivery(event, row["attempt"]), row["claims"])
                listener.in_flight[event.id] = asyncio.create_task(work)
        return len(rows)

    async def _deliver(self, listener: _Listener, delivery: Delivery, claims: int) -> None:
        subscriber, event_id = listener.subscription.subscriber, delivery.event.id
        try:
            async with listener.slots:
                if self._draining:
                    async with self._db.system_tx() as tx:
                        await repository.release(tx, subscriber, [event_id])
                    return
                outcome = await self._outcome(listener, delivery, claims)
                await self._settle_stubbornly(subscriber, event_id, outcome)
        except Exception as error:  # noqa: BLE001  # unsettled, it comes again when its lease ends
            logger.warning("a delivery was not settled and comes again", error=error)
        finally:
            listener.in_flight.pop(event_id, None)
            if listener.room:
                self._wake.set()

    async def _outcome(self, listener: _Listener, delivery: Delivery, claims: int) -> Outcome:
        if claims > MAX_CLAIMS:
            return GiveUp("the process ended while handling it, again and again")
        return await listener.handle(delivery)

    # Settling them

    async def _settle_stubbornly(self, subscriber: str, event_id: UUID, outcome: Outcome) -> None:
        """Outlast a short fault of the database, which would otherwise cost the rest of the lease."""
        for failures in range(1, _SETTLE_TRIES):
            try:
                await self._settle(subscriber, event_id, outcome)
            except Exception as error:  # noqa: BLE001  # tried again; the last try raises
                logger.debug("a delivery is not settled yet", error=error)
                await asyncio.sleep(back_off(failures))
            else:
                return
        await self._settle(subscriber, event_id, outcome)

    async def _settle(self, subscriber: str, event_id: UUID, outcome: Outcome) -> None:
        if isinstance(outcome, Done):
            self._done.append((subscriber, event_id))
            self._has_done.set()
            return
        async with self._db.system_tx() as tx:
            if isinstance(outcome, Retry):
                await repository.retry(tx, subscriber, event_id, outcome.delay, outcome.error)
            else:
                await repository.bury(tx, subscriber, event_id, outcome.error)

    async def _finish_forever(self) -> None:
        while self._done or not self._stopped.is_set():
            await self._has_done.wait()
            self._has_done.clear()
            try:
                await self._finish()
            except Exception as error:  # noqa: BLE001  # not removed means handled once more, which the inbox stops
                logger.warning("handled events could not be removed from the bus", error=error)
                if self._stopped.is_set():
                    return
                await asyncio.sleep(1)
            # Lets the next batch gather while handlers run.
            await asyncio.sleep(0.01)

    async def _rest(self, seconds: float) -> bool:
        """Wait; False when it is time to end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)
        return not self._stopped.is_set()

    async def _finish(self) -> None:
        done, self._done = self._done, []
        if not done:
            return
        try:
            async with self._db.system_tx() as tx:
                await repository.finish(tx, done)
        except BaseException:
            self._done.extend(done)
            self._has_done.set()
            raise

    async def _extend_forever(self) -> None:
        while await self._rest(self._lease / 3):
            for name, listener in list(self._listeners.items()):
                if listener.in_flight:
                    await self._extend(name, list(listener.in_flight))

    async def _extend(self, subscriber: str, event_ids: list[UUID]) -> None:
        try:
            async with self._db.system_tx() as tx:
                await repository.extend(tx, subscriber, event_ids, self._lease)
        except Exception as error:  # noqa: BLE001  # a lost lease means a repeat, which the inbox stops
            logger.warning("the lease of running deliveries could not be extended", error=error)

    async def _clean_up_forever(self) -> None:
        while await self._rest(_CLEAN_UP_SECONDS):
            try:
                await self.clean_up(_KEEP_DONE_SECONDS)
            except Exception as error:  # noqa: BLE001  # it is tried again
                logger.warning("the bus could not be cleaned up", error=error)

    async def clean_up(self, keep_seconds: float) -> int:
        """Remove events every subscriber is done with and that are older than that; how many."""
        removed, batch = 0, -1
        while batch:
            async with self._db.system_tx() as tx:
                batch = await repository.forget_done(tx, keep_seconds)
            removed += batch
        return removed

    async def drain(self) -> None:
        self._draining = True
        self._wake.set()
        running = [task for one in self._listeners.values() for task in one.in_flight.values()]
        await asyncio.gather(*running, return_exceptions=True)

    # Dead letters

    async def dead_letters(self, subscriber: str, limit: int) -> list[DeadLetter]:
        async with self._db.system_tx() as tx:
            rows = await repository.dead_letters(tx, subscriber, limit)
        return [
            DeadLetter(from_row(row), row["subscriber"], row["attempt"], row["error"] or "", row["dead_at"])
            for row in rows
        ]

    async def replay(self, subscriber: str, event_id: UUID) -> bool:
        async with self._db.system_tx() as tx:
            replayed = await repository.replay(tx, subscriber, event_id)
        self._wake.set()
        return replayed
