"""What only RabbitMQ has: a broker that is away, topology, foreign messages."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import aio_pika
import pytest
from yarl import URL

from shared.database import SimpleDatabase
from shared.events import Consumer, Event, EventBus, MessageContext, new_event
from shared.events.transports.rabbitmq import RabbitTransport

pytestmark = pytest.mark.rabbitmq
NAME = "message.requested.v1"
OpenDatabase = Callable[..., Awaitable[SimpleDatabase]]


def requested(tenant: UUID) -> Event:
    data = {"template": "t", "recipient": {"email": "ada@example.com"}, "idempotency_key": str(uuid4())}
    return new_event(NAME, data, tenant_id=tenant)


async def eventually(condition: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(30):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.05)


@pytest.fixture
async def namespace(amqp_url: str) -> AsyncIterator[str]:
    name = f"t{uuid4().hex[:10]}"
    yield name
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        for queue in ("campaign-service.mail", "campaign-service.mail.dead", "wait.50"):
            await channel.queue_delete(f"{name}.{queue}")
        for exchange in ("events", "wait.50"):
            await channel.exchange_delete(f"{name}.{exchange}")


@pytest.fixture
async def db(open_database: OpenDatabase) -> SimpleDatabase:
    return await open_database("campaign")


def make_bus(db: SimpleDatabase, url: str, namespace: str, seen: list[Event]) -> EventBus:
    async def handler(ctx: MessageContext) -> None:
        seen.append(ctx.event)

    transport = RabbitTransport(url, "test", namespace=namespace)
    bus = EventBus(db, service="campaign-service", transport=transport, retry_delays=(0.05,), poll=0.05)
    bus.bind(None, [Consumer("mail", [NAME], handler)])
    return bus


async def test_events_wait_in_the_outbox_while_the_broker_is_away(
    db: SimpleDatabase, amqp_url: str, namespace: str, tenant_a: UUID
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    seen: list[Event] = []
    bus = make_bus(db, str(URL(amqp_url).with_host("127.0.0.1").with_port(port)), namespace, seen)
    await bus.start()
    event = requested(tenant_a)
    async with db.tenant_tx(tenant_a) as tx:
        await bus.publish(tx, event)
    await asyncio.sleep(0.5)
    health = await bus.health()
    assert (health["connected"], health["backlog"], health["last_confirm_age"]) == (False, 1, None)
    await bus.stop()

    bus = make_bus(db, amqp_url, namespace, seen)
    await bus.start()

    async def arrived() -> bool:
        return bool(seen)

    await eventually(arrived)
    await bus.stop()
    assert [one.id for one in seen] == [event.id]


async def test_message_that_is_no_event_does_not_stop_the_queue(
    db: SimpleDatabase, amqp_url: str, namespace: str, tenant_a: UUID
) -> None:
    seen: list[Event] = []
    bus = make_bus(db, amqp_url, namespace, seen)
    await bus.start()
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:

        async def is_set_up() -> bool:
            return bus.transport.is_connected

        await eventually(is_set_up)
        exchange = await channel.get_exchange(f"{namespace}.events")
        await exchange.publish(aio_pika.Message(b"\xff not an event"), routing_key=NAME)
        async with db.tenant_tx(tenant_a) as tx:
            await bus.publish(tx, requested(tenant_a))

        async def arrived() -> bool:
            return bool(seen)

        await eventually(arrived)

        async def is_dead() -> bool:
            queue = await channel.declare_queue(f"{namespace}.campaign-service.mail.dead", passive=True)
            return queue.declaration_result.message_count == 1

        await eventually(is_dead)
    assert await bus.dead_letters.list() == []
    await bus.stop()


async def test_queue_that_is_deleted_is_made_again(
    db: SimpleDatabase, amqp_url: str, namespace: str, tenant_a: UUID
) -> None:
    seen: list[Event] = []
    bus = make_bus(db, amqp_url, namespace, seen)
    await bus.start()

    async def is_set_up() -> bool:
        return bus.transport.is_connected

    await eventually(is_set_up)
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        await channel.queue_delete(f"{namespace}.campaign-service.mail")

    async def arrives() -> bool:
        async with db.tenant_tx(tenant_a) as tx:
            await bus.publish(tx, requested(tenant_a))
        await asyncio.sleep(0.2)
        return bool(seen)

    await eventually(arrives)
    await bus.stop()
