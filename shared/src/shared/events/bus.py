"""What a service sees of events: publish, consume, dead letters, health."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.database import SimpleDatabase, Tx
from shared.errors import ConfigurationError
from shared.events import catalog, repository
from shared.events.batching import BatchDispatcher
from shared.events.consumer import RETRY_DELAYS, Consumer, Dispatcher
from shared.events.dead_letters import OUTBOX, DeadLetters, RefusedEvents
from shared.events.envelope import Event, EventRefusedError, check_tenant
from shared.events.relay import Relay
from shared.events.transports.base import Subscription, Transport
from shared.events.transports.postgres import PostgresTransport
from shared.events.transports.rabbitmq import RabbitTransport
from shared.utils.clock import Clock, SystemClock
from shared.utils.logging import logger

START_WAIT_SECONDS = 3.0
STOP_TIMEOUT_SECONDS = 20.0
INBOX_RETENTION = timedelta(days=30)
_HOUSEKEEPING_SECONDS = 3600.0


class EventBus:
    """The event bus of one service process. `url` is EVENTS_URL: `amqp(s)://…`, or `postgres://` for the
    service's own database. Installations that share a broker differ in `namespace`.

    `publish` works before `start`. Every process sends what its service published; only those started
    with `consume=True` run consumers. `retry_delays` and `poll` are in seconds.
    """

    def __init__(
        self,
        db: SimpleDatabase,
        *,
        service: str,
        url: str = "postgres://",
        namespace: str = "tidings",
        transport: Transport | None = None,
        retry_delays: Sequence[float] = RETRY_DELAYS,
        clock: Clock | None = None,
        poll: float = 0.2,
    ) -> None:
        self._service = service
        self._db = db
        self._clock = clock or SystemClock()
        self._retry_delays = tuple(retry_delays)
        self._consumers: dict[str, Consumer] = {}
        self._housekeeper: asyncio.Task[None] | None = None
        self.transport = transport or _transport(url, service, db, namespace)
        self._relay = Relay(db, self.transport, poll=poll)
        self._runtime: Any = None
        self.dead_letters = self._dead_letters()

    def bind(self, runtime: Any, consumers: Sequence[Consumer]) -> None:
        """Give the bus its consumers and what they get as `ctx.runtime`. Call before `start`.

        Raises ValueError for two consumers of one name, one called `outbox`, or a type that is not in the
        catalog.
        """
        self._runtime = runtime
        self._consumers = {consumer.name: consumer for consumer in consumers}
        if len(self._consumers) != len(consumers):
            raise ValueError("two consumers of a service share a name")
        if OUTBOX in self._consumers:
            raise ValueError(f"{OUTBOX} stands for events that could not leave")
        for consumer in consumers:
            catalog.expand(tuple(consumer.types))
        self.dead_letters = self._dead_letters()

    def _dead_letters(self) -> DeadLetters:
        subscribers = [self._subscriber(name) for name in self._consumers]
        outbox = RefusedEvents(self._db, self._subscriber(OUTBOX), self._relay.wake)
        return DeadLetters(self.transport, subscribers, outbox)

    def _subscriber(self, consumer: str) -> str:
        return f"{self._service}.{consumer}"

    async def publish(self, tx: Tx, event: Event) -> None:
        """Publish with the caller's transaction: the event leaves if and when that commits.

        Raises `EventRefusedError` for a type outside the catalog or an event of another tenant than the
        transaction's.
        """
        await self.publish_many(tx, [event])

    async def publish_many(self, tx: Tx, events: Sequence[Event]) -> None:
        """As `publish`, in one statement."""
        if not events:
            return
        source = f"/{self._service}"
        ready = [event if event.source else replace(event, source=source) for event in events]
        for event in ready:
            _check(tx, event)
        await repository.insert_outbox(tx, ready)
        if self._relay.wake not in tx.after_commit:
            tx.after_commit.append(self._relay.wake)

    async def start(self, *, consume: bool = True) -> None:
        """Connect, relay and, if asked, consume.

        Returns when the subscriptions are stored, so that a service that is ready misses nothing; a broker
        that is away holds this up for `START_WAIT_SECONDS` and is then waited for in the background.
        """
        await self.transport.start()
        for consumer in self._consumers.values() if consume else ():
            subscription = Subscription(
                self._subscriber(consumer.name),
                catalog.expand(tuple(consumer.types)),
                consumer.concurrency * consumer.batch,
            )
            kind = BatchDispatcher if consumer.batch > 1 else Dispatcher
            dispatcher = kind(consumer, self._db, self._runtime, self._retry_delays)
            await self.transport.subscribe(subscription, dispatcher)
        await self._until_subscribed()
        self._relay.start()
        self._housekeeper = asyncio.create_task(self._keep_house(), name="inbox retention")

    async def _until_subscribed(self) -> None:
        for _ in range(round(START_WAIT_SECONDS / 0.02)):
            if self.transport.can_send:
                return
            await asyncio.sleep(0.02)
        logger.warning("the event transport is out of reach; events wait in the outbox")

    async def stop(self) -> None:
        """Finish the handlers that run and the batches in flight, then close. Handlers get 20 s."""
        if self._housekeeper is not None:
            self._housekeeper.cancel()
            await asyncio.gather(self._housekeeper, return_exceptions=True)
        try:
            await asyncio.wait_for(self.transport.drain(), STOP_TIMEOUT_SECONDS)
        except TimeoutError:
            logger.warning("handlers were still running at the end and have been stopped")
        await self._relay.stop()
        await self.transport.stop()

    async def health(self) -> dict[str, Any]:
        """State for readiness. `backlog` counts events not yet sent, up to 10,000; ages are in seconds."""
        async with self._db.system_tx() as tx:
            backlog, oldest = await repository.outbox_backlog(tx)
        confirmed = self.transport.last_confirm_at
        return {
            "transport": self.transport.name,
            "connected": self.transport.is_connected,
            "last_confirm_age": None if confirmed is None else round(time.monotonic() - confirmed, 3),
            "backlog": backlog,
            "backlog_age": 0.0 if oldest is None else max(0.0, (self._clock.now() - oldest).total_seconds()),
        }

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING_SECONDS)
            try:
                await self.forget_inbox()
            except Exception as error:  # noqa: BLE001  # it is tried again in an hour
                logger.warning("old inbox rows could not be removed", error=error)

    async def forget_inbox(self) -> int:
        """Remove inbox rows older than 30 days, after which no repeat can come; how many."""
        removed, batch = 0, -1
        while batch:
            async with self._db.system_tx() as tx:
                batch = await repository.forget_inbox(tx, self._clock.now() - INBOX_RETENTION)
            removed += batch
        return removed


def _check(tx: Tx, event: Event) -> None:
    if event.type not in catalog.CATALOG:
        raise EventRefusedError(f"{event.type} is not in the event catalog")
    check_tenant(event)
    if tx.tenant_id is not None and event.tenant_id not in (None, tx.tenant_id):
        raise EventRefusedError(f"{event.type}: the event belongs to another tenant than the transaction")


def _transport(url: str, service: str, db: SimpleDatabase, namespace: str) -> Transport:
    scheme = url.partition(":")[0]
    if scheme in ("amqp", "amqps"):
        return RabbitTransport(url, service, namespace=namespace)
    if scheme in ("postgres", "postgresql"):
        return PostgresTransport(db)
    raise ConfigurationError("EVENTS_URL must begin with amqp:// or postgres://", field="EVENTS_URL")
