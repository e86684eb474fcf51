"""Exchanges and queues on RabbitMQ.

    <ns>.events            topic exchange; the routing key is the event's type
    <ns>.<subscriber>      quorum queue of one consumer
    <ns>.<subscriber>.dead quorum queue of its dead letters
    <ns>.wait.<ms>         fanout exchange and quorum queue of one retry delay, shared by all consumers: a
                           message is published with the consumer's queue as routing key, and when its time
                           is up the default exchange takes it there

Waiting needs one queue per delay because a time to live is looked at only at the head of a queue.
"""

from __future__ import annotations

from typing import Any

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue, ExchangeType
from aio_pika.exceptions import ChannelClosed

from shared.events import catalog
from shared.events.transports.base import MAX_CLAIMS, Subscription

_SAFE_DEAD_LETTERING: dict[str, Any] = {
    "x-queue-type": "quorum",
    "x-dead-letter-exchange": "",
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}
_REDELIVERY_DELAY_MS = 5_000
_MAX_REDELIVERY_DELAY_MS = 60_000


class Topology:
    """Names and declarations under one prefix; tests use a prefix of their own."""

    def __init__(self, namespace: str = "tidings") -> None:
        self.namespace = namespace
        self.exchange = f"{namespace}.events"

    def queue(self, subscriber: str) -> str:
        return f"{self.namespace}.{subscriber}"

    def dead_queue(self, subscriber: str) -> str:
        return f"{self.namespace}.{subscriber}.dead"

    def waiting(self, delay: float) -> str:
        """Name of the exchange and of the queue for a delay in seconds."""
        return f"{self.namespace}.wait.{max(1, round(delay * 1000))}"

    async def declare_exchange(self, channel: AbstractChannel) -> None:
        await channel.declare_exchange(self.exchange, ExchangeType.TOPIC, durable=True)

    async def declare_waiting(self, channel: AbstractChannel, delay: float) -> str:
        name = self.waiting(delay)
        exchange = await channel.declare_exchange(name, ExchangeType.FANOUT, durable=True)
        arguments = {**_SAFE_DEAD_LETTERING, "x-message-ttl": int(name.rsplit(".", 1)[1])}
        queue = await channel.declare_queue(name, durable=True, arguments=arguments)
        await queue.bind(exchange)
        return name

    async def declare_subscription(
        self, connection: AbstractConnection, subscription: Subscription, version: tuple[int, int]
    ) -> None:
        """The consumer's queues, bound to exactly its types: bindings it no longer wants are removed."""
        name, dead = self.queue(subscription.subscriber), self.dead_queue(subscription.subscriber)
        await _declare_once(connection, dead, dead_arguments(version))
        await _declare_once(connection, name, consumer_arguments(dead, version))
        async with connection.channel() as channel:
            queue = await channel.get_queue(name, ensure=False)
            await self._bind(queue, subscription.types)

    async def _bind(self, queue: AbstractQueue, types: tuple[str, ...]) -> None:
        for name in catalog.CATALOG:
            if name in types:
                await queue.bind(self.exchange, routing_key=name)
            else:
                await queue.unbind(self.exchange, routing_key=name)


async def _declare_once(connection: AbstractConnection, name: str, arguments: dict[str, Any]) -> None:
    """Declare a queue that is not there. One that is keeps the arguments it has, such as those an older
    broker was given; declaring it with others would be refused."""
    try:
        async with connection.channel() as channel:
            await channel.declare_queue(name, passive=True)
    except ChannelClosed:
        async with connection.channel() as channel:
            await channel.declare_queue(name, durable=True, arguments=arguments)


def consumer_arguments(dead_queue: str, version: tuple[int, int]) -> dict[str, Any]:
    """Arguments of a consumer's queue for a broker version.

    A message whose process died with it comes back by itself; after `MAX_CLAIMS` times it is a dead letter.
    From 4.3 the broker also delays these returns. It does not take the place of the wait queues: its delay
    only grows by a constant, and it cannot carry why an attempt failed.
    """
    arguments: dict[str, Any] = {
        **_SAFE_DEAD_LETTERING,
        "x-delivery-limit": MAX_CLAIMS,
        "x-dead-letter-routing-key": dead_queue,
    }
    if version >= (4, 3):
        arguments["x-delayed-retry-type"] = "all"
        arguments["x-delayed-retry-min"] = _REDELIVERY_DELAY_MS
        arguments["x-delayed-retry-max"] = _MAX_REDELIVERY_DELAY_MS
    return arguments


def dead_arguments(version: tuple[int, int]) -> dict[str, Any]:
    """Arguments of a queue of dead letters: looking must not use up a delivery limit, a default since 4.0."""
    unlimited = {"x-delivery-limit": -1} if version >= (4, 0) else {}
    return {"x-queue-type": "quorum", **unlimited}
