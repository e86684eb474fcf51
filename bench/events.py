"""How fast events travel: outbox, relay, transport, consumer with its inbox, in one process.

    python3 bench/events.py [--events 20000]

Every figure is of the same events (about 1 KB of JSON each):
- send: from a filled outbox until the transport has confirmed all of them;
- consume: from a filled queue until every handler's transaction is committed;
- both at once: published in transactions of 20 while relay and consumer run, until all are handled;
- latency: one event at a time, from the commit of its publisher to its handler.
"by one" gives each event a transaction of its own, "by 25" lets up to 25 waiting ones share it (`batch=25`).
Beside it bare aio-pika on the same broker: publish with confirms (100 in flight), consume and acknowledge
(prefetch 50), and both at once, with no database. TEST_POSTGRES_DSN and TEST_AMQP_URL name the servers;
without them the servers of the test set-up are started.
"""

# ruff: noqa: E402  # run as a program, it prepares the environment before the rest can be imported
from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from deploy.local.bootstrap import enter

    enter(__file__)

import argparse
import asyncio
import os
import platform
import resource
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import aio_pika
import psutil
import uvloop

from deploy.local import testservers
from shared.database import SimpleDatabase
from shared.events import Consumer, Event, EventBus, MessageContext, Transport, new_event
from shared.events.transports.postgres import PostgresTransport
from shared.events.transports.rabbitmq import RabbitTransport
from shared.testing.databases import ensure_template, fresh_database, runtime_database
from shared.utils import uuid7
from shared.utils.logging import configure_logging

NAME = "campaign.message.delivered.v1"
TRANSACTION = 20
PUBLISHERS = 4
CONNECTIONS = 10
LANES = 6
BATCH = 25
LATENCY_SAMPLES = 200
MakeTransport = Callable[[SimpleDatabase], Transport]


def make_events(number: int, tenant: UUID) -> list[Event]:
    fact = {
        "message_id": f"{'m' * 40}@mail.example.com",
        "campaign_id": str(uuid7()),
        "contact_id": str(uuid7()),
        "recipient": "ada.lovelace@example.com",
        "occurred_at": "2026-01-01T10:00:00Z",
        "reply": "250 2.0.0 Ok: queued " + "x" * 700,
    }
    return [new_event(NAME, fact, tenant_id=tenant) for _ in range(number)]


class Counting:
    """A handler that counts, and tells when it has seen `expected` events."""

    def __init__(self) -> None:
        self.seen = 0
        self.expected = 0
        self.done = asyncio.Event()

    def expect(self, number: int) -> None:
        self.seen, self.expected = 0, number
        self.done.clear()

    async def __call__(self, _: MessageContext) -> None:
        self.seen += 1
        if self.seen == self.expected:
            self.done.set()


class Stand:
    """One transport under measurement."""

    def __init__(self, db: SimpleDatabase, make_transport: MakeTransport, batch: int) -> None:
        self.db = db
        self.batch = batch
        self.counting = Counting()
        self._make_transport = make_transport

    @asynccontextmanager
    async def bus(self, *, consume: bool) -> AsyncIterator[EventBus]:
        bus = EventBus(self.db, service="bench", transport=self._make_transport(self.db))
        bus.bind(None, [Consumer("counting", [NAME], self.counting, concurrency=LANES, batch=self.batch)])
        await bus.start(consume=consume)
        try:
            yield bus
        finally:
            await bus.stop()

    async def publish(self, bus: EventBus, events: Sequence[Event]) -> None:
        """Transactions of 20 events, four publishers at once."""
        starts = iter(range(0, len(events), TRANSACTION))

        async def publisher() -> None:
            for start in starts:
                async with self.db.system_tx() as tx:
                    await bus.publish_many(tx, events[start : start + TRANSACTION])

        await asyncio.gather(*(publisher() for _ in range(PUBLISHERS)))

    async def until_relayed(self, bus: EventBus) -> None:
        async with asyncio.timeout(600):
            while True:
                if not (await bus.health())["backlog"]:
                    return
                await asyncio.sleep(0.005)

    async def relay_and_consume(self, events: Sequence[Event]) -> tuple[float, float]:
        """Events a second through the relay alone, then through the consumer alone."""
        async with self.bus(consume=True):
            pass  # makes the subscription, so that the events have somewhere to wait
        idle = EventBus(self.db, service="bench")
        await self.publish(idle, events)
        async with self.bus(consume=False) as bus:
            relay = await timed(self.until_relayed(bus))
        self.counting.expect(len(events))
        began = time.perf_counter()
        async with self.bus(consume=True):
            await self.counting.done.wait()
            consume = time.perf_counter() - began
        return len(events) / relay, len(events) / consume

    async def end_to_end(self, events: Sequence[Event]) -> float:
        self.counting.expect(len(events))
        async with self.bus(consume=True) as bus:
            began = time.perf_counter()
            await self.publish(bus, events)
            await self.counting.done.wait()
            return len(events) / (time.perf_counter() - began)

    async def latency(self, events: Sequence[Event]) -> list[float]:
        """Milliseconds, sorted."""
        waits = []
        async with self.bus(consume=True) as bus:
            for event in events:
                self.counting.expect(1)
                async with self.db.system_tx() as tx:
                    await bus.publish(tx, event)
                waits.append(1000 * await timed(self.counting.done.wait()))
        return sorted(waits)


async def timed(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def bare_aio_pika(url: str, events: Sequence[Event]) -> tuple[float, float, float]:
    """Publish, consume, and both at once: messages a second, straight on a quorum queue."""
    publishing, consuming = await aio_pika.connect(url), await aio_pika.connect(url)
    async with publishing, consuming:
        sender = await publishing.channel(on_return_raises=True)
        receiver = await consuming.channel()
        await receiver.set_qos(prefetch_count=50)
        name = f"bench.bare.{uuid4().hex}"
        queue = await receiver.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        counting, window = Counting(), asyncio.Semaphore(100)

        async def send(event: Event) -> None:
            async with window:
                message = aio_pika.Message(
                    event.encoded_data(), delivery_mode=2, content_type="application/json"
                )
                await sender.default_exchange.publish(message, name, mandatory=True)

        async def receive(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            await message.ack()
            counting.seen += 1
            if counting.seen == counting.expected:
                counting.done.set()

        async def publish_all() -> None:
            await asyncio.gather(*(send(event) for event in events))

        publish = await timed(publish_all())
        counting.expect(len(events))
        began = time.perf_counter()
        await queue.consume(receive)
        await counting.done.wait()
        consume = time.perf_counter() - began
        counting.expect(len(events))
        both = await timed(asyncio.gather(publish_all(), counting.done.wait()))
        await queue.delete(if_unused=False, if_empty=False)
    return len(events) / publish, len(events) / consume, len(events) / both


def show(name: str, figures: Sequence[float], bare: Sequence[float] | None) -> None:
    cells = [f"{figure:>10,.0f}" for figure in figures]
    if bare is not None:
        cells = [
            f"{cell} ({figure / peer:.2f})" for cell, figure, peer in zip(cells, figures, bare, strict=True)
        ]
    print(f"{name:<28}" + "".join(f"{cell:>20}" for cell in cells))


async def measure(number: int, amqp: str | None) -> None:
    events = make_events(number, uuid7())
    print(f"{number:,} events of {len(events[0].encoded_data())} bytes; ratio to bare aio-pika in brackets\n")
    print(f"{'events a second':<28}{'send':>20}{'consume':>20}{'both at once':>20}")
    bare = await bare_aio_pika(amqp, events) if amqp else None
    if bare:
        show("bare aio-pika", bare, None)
    kinds: dict[str, MakeTransport] = {}
    namespace = f"bench{uuid4().hex[:8]}"
    if amqp:
        kinds["RabbitMQ"] = lambda _: RabbitTransport(amqp, "bench", namespace=namespace)
    kinds["Postgres"] = PostgresTransport
    latencies: dict[str, list[float]] = {}
    template = await ensure_template()
    for name, make_transport in kinds.items():
        async with fresh_database(template) as dsn:
            db = runtime_database(dsn, "campaign", CONNECTIONS)
            await db.connect()
            for label, batch in (("by one", 1), (f"by {BATCH}", BATCH)):
                stand = Stand(db, make_transport, batch)
                figures = await stand.relay_and_consume(make_events(number, uuid7()))
                both = await stand.end_to_end(make_events(number, uuid7()))
                show(f"Tidings, {name}, {label}", (*figures, both), bare)
            latencies[name] = await stand.latency(make_events(LATENCY_SAMPLES, uuid7()))
            settings = await db.query(
                "SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync"
            )
            await db.close()
    if amqp:
        await remove(amqp, namespace)
    print()
    for name, waits in latencies.items():
        p99 = waits[int(len(waits) * 0.99) - 1]
        print(f"{name}: latency p50 {statistics.median(waits):.1f} ms, p99 {p99:.1f} ms")
    print(f"\nPostgres {settings[0]['version']}, fsync {settings[0]['fsync']}, {CONNECTIONS} connections")


async def remove(amqp: str, namespace: str) -> None:
    connection = await aio_pika.connect(amqp)
    async with connection, connection.channel() as channel:
        for queue in ("bench.counting", "bench.counting.dead"):
            await channel.queue_delete(f"{namespace}.{queue}")
        await channel.exchange_delete(f"{namespace}.events")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    arguments = parser.parse_args()
    configure_logging("error")
    if not os.environ.get("TEST_POSTGRES_DSN"):
        os.environ.update(testservers.start(ROOT / ".tidings" / "bench"))
    amqp = os.environ.get("TEST_AMQP_URL")
    if not amqp:
        print("RabbitMQ: not measured, no server (TEST_AMQP_URL, or install rabbitmq-server)")
    uvloop.run(measure(arguments.events, amqp))
    memory = psutil.virtual_memory().total / 2**30
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"Machine: {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB; Python"
        f" {platform.python_version()}, uvloop; peak memory of this process {peak:.0f} MiB"
    )


if __name__ == "__main__":
    main()
