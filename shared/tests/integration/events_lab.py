"""Buses of one test on one transport, whose connections can be cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import aio_pika
import asyncpg
from yarl import URL

from shared.database import SimpleDatabase, Tx
from shared.events import Consumer, Event, EventBus, MessageContext, Transport, new_event
from shared.events.transports.postgres import PostgresTransport
from shared.events.transports.rabbitmq import RabbitTransport
from shared.utils import uuid7

TYPE = "campaign.campaign.started.v1"
OTHER = "campaign.campaign.completed.v1"
DELAYS = (0.05, 0.1)
Handler = Callable[[MessageContext], Awaitable[None]]


async def eventually(condition: Callable[[], Any | Awaitable[Any]], seconds: float = 30) -> None:
    """Wait until `condition` holds; the limit only ends a test that hangs."""
    async with asyncio.timeout(seconds):
        while True:
            value = condition()
            if await value if asyncio.iscoroutine(value) else value:
                return
            await asyncio.sleep(0.02)


def started(tenant: UUID | None, name: str = "Spring") -> Event:
    campaign = str(uuid4())
    data = {
        "campaign_id": campaign,
        "name": name,
        "total_recipients": 3,
        "started_at": "2026-01-01T10:00:00Z",
    }
    return new_event(TYPE, data, tenant_id=tenant, subject=campaign)


class Proxy:
    """A TCP proxy before the broker, whose connections can be cut."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, upstream_writer}
        await asyncio.gather(_pipe(reader, upstream_writer), _pipe(upstream_reader, writer))
        self._writers -= {writer, upstream_writer}


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class CrashingTransport:
    """A real transport, and a crash right after it took the first batch."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.crashes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def send(self, events: Sequence[Event], tx: Tx) -> None:
        await self._inner.send(events, tx)
        if self.crashes == 0:
            self.crashes += 1
            raise ConnectionResetError("crashed between publishing and the commit")


class Lab:
    """Buses of one test on one transport."""

    def __init__(self, kind: str, dsn: str, database: Callable[..., Any], amqp: str | None) -> None:
        self.kind = kind
        self.dsn = dsn
        self.stack = AsyncExitStack()
        self.namespace = f"t{uuid4().hex[:10]}"
        self.queues: set[str] = set()
        self.db: SimpleDatabase
        self._database = database
        self._amqp = URL(amqp or "amqp://unused:1/")
        self.proxy = Proxy(self._amqp.host or "", self._amqp.port or 0)

    async def open(self) -> None:
        self.db = await self._database("campaign", 8)
        if self.kind == "rabbitmq":
            await self.proxy.start()
            self.stack.push_async_callback(self.proxy.stop)
            self.stack.push_async_callback(self._remove_queues)

    def transport(self) -> Transport:
        if self.kind == "postgres":
            return PostgresTransport(self.db, poll=0.05, lease=3)
        url = self._amqp.with_host("127.0.0.1").with_port(self.proxy.port)
        return RabbitTransport(str(url), "test", namespace=self.namespace)

    async def bus(
        self, *consumers: Consumer, service: str = "campaign-service", transport: Transport | None = None
    ) -> EventBus:
        bus = self.unstarted_bus(*consumers, service=service, transport=transport)
        await bus.start()
        self.stack.push_async_callback(bus.stop)
        await eventually(lambda: bus.transport.is_connected)
        return bus

    def unstarted_bus(
        self, *consumers: Consumer, service: str = "campaign-service", transport: Transport | None = None
    ) -> EventBus:
        self.queues |= {f"{service}.{consumer.name}" for consumer in consumers}
        bus = EventBus(
            self.db,
            service=service,
            transport=transport or self.transport(),
            retry_delays=DELAYS,
            poll=0.05,
        )
        bus.bind(None, consumers)
        return bus

    async def publish(self, bus: EventBus, *events: Event) -> None:
        async with self.db.system_tx() as tx:
            await bus.publish_many(tx, events)

    async def publish_as_pack(self, *events: Event) -> list[Event]:
        async with self.db.system_tx() as tx:
            return await write_pack(tx, events)

    async def cut_connections(self) -> None:
        if self.kind == "rabbitmq":
            self.proxy.cut()
            return
        admin = await asyncpg.connect(self.dsn)
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = 'tidings_campaign_rw'"
        )
        await admin.close()

    async def refuse_long_subjects(self) -> None:
        """Make Postgres refuse what RabbitMQ does by itself: it takes headers up to 128 KB."""
        if self.kind == "postgres":
            admin = await asyncpg.connect(self.dsn)
            await admin.execute("ALTER TABLE bus.event ADD CHECK (length(subject) < 128 * 1024)")
            await admin.close()

    async def _remove_queues(self) -> None:
        connection = await aio_pika.connect(self._amqp)
        async with connection, connection.channel() as channel:
            names = [f"{self.namespace}.{q}{end}" for q in self.queues for end in ("", ".dead")]
            waits = [f"{self.namespace}.wait.{round(delay * 1000)}" for delay in DELAYS]
            for name in (*names, *waits):
                await channel.queue_delete(name)
            for name in (f"{self.namespace}.events", *waits):
                await channel.exchange_delete(name)


async def write_pack(tx: Tx, events: Sequence[Event]) -> list[Event]:
    """Events of one tenant in one row, as statements of a service may write them; as they will travel."""
    row_id, time = uuid7(), events[0].time
    pack = [{"type": e.type, "subject": e.subject, "correlation_id": "c", "data": e.data} for e in events]
    await tx.execute(
        """INSERT INTO outbox (id, tenant_id, source, occurred_at, data, pack_size)
           VALUES ($1, $2, '/campaign-service', $3, $4, $5)""",
        row_id,
        events[0].tenant_id,
        time,
        pack,
        len(pack),
    )
    return [
        replace(event, id=UUID(f"{str(row_id)[:-4]}{n:04x}"), time=time, correlation_id="c")
        for n, event in enumerate(events)
    ]


class Seen:
    """Remembers what a handler got."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def __call__(self, ctx: MessageContext) -> None:
        self.events.append(ctx.event)

    @property
    def ids(self) -> Counter[UUID]:
        return Counter(event.id for event in self.events)


async def outbox_is_empty(bus: EventBus) -> bool:
    return bool((await bus.health())["backlog"] == 0)


def has_more_than(seen: Seen, number: int) -> bool:
    return len(seen.ids) > number
