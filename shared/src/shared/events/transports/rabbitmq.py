"""Events over RabbitMQ."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import aiormq
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq import Channel as RawChannel
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import (
    AMQPError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionFrameError,
    PublishError,
)
from pamqp import commands as spec

from shared.database.tx import Tx
from shared.events.envelope import Event, EventRefusedError, from_headers, to_headers
from shared.events.transports.amqp_link import Link, server_version, was_cancelled
from shared.events.transports.amqp_topology import Topology
from shared.events.transports.base import (
    DeadLetter,
    Delivery,
    Done,
    EventNotTakenError,
    GiveUp,
    Handle,
    Outcome,
    Retry,
    Subscription,
    TransportError,
)
from shared.utils.logging import logger

PREFETCH = 50
IN_FLIGHT = 100
CONFIRM_TIMEOUT_SECONDS = 30.0
_REPLAY_SCAN = 10_000
_ATTEMPT, _ERROR, _DEAD_AT = "x-tidings-attempt", "x-tidings-error", "x-tidings-dead-at"
_BROKEN = (AMQPError, OSError, TimeoutError, RuntimeError)
# A body over the broker's limit, headers over a frame's, a type or header that AMQP cannot write.
_REFUSALS = (ChannelPreconditionFailed, ConnectionFrameError, ValueError)


@dataclass(slots=True, eq=False)
class _Listener:
    """A subscription and what belongs to it on the present connection."""

    subscription: Subscription
    handle: Handle
    slots: asyncio.Semaphore
    channel: AbstractChannel | None = None
    raw: RawChannel | None = None
    tag: str | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class RabbitTransport:
    """Publishes and consumes over two connections, so that a broker that blocks publishers still delivers."""

    name = "rabbitmq"

    def __init__(self, url: str, client: str, *, namespace: str = "tidings") -> None:
        self._topology = Topology(namespace)
        self._publish_link = Link(url, f"{client} publish", self._set_up_publisher)
        self._consume_link = Link(url, f"{client} consume", self._set_up_consumers)
        self._publisher: AbstractChannel | None = None
        self._raw_publisher: RawChannel | None = None
        self._window = asyncio.Semaphore(IN_FLIGHT)
        self._listeners: dict[str, _Listener] = {}
        self._declared_waits: set[str] = set()
        self._last_confirm_at: float | None = None
        self._version = (0, 0)
        self._draining = False
        self._consume_connection: AbstractConnection | None = None
        # Held while consumers are set up, so that a new one is set up once: by that or by its own call.
        self._set_up_lock = asyncio.Lock()
        # It reports each failed attempt as an error; the links report them once, with what happens next.
        logging.getLogger("aiormq.connection").setLevel(logging.CRITICAL)

    @property
    def is_connected(self) -> bool:
        return self._publish_link.is_connected and self._consume_link.is_connected

    @property
    def can_send(self) -> bool:
        is_set_up = all(listener.tag is not None for listener in self._listeners.values())
        return self._publish_link.is_connected and is_set_up

    @property
    def last_confirm_at(self) -> float | None:
        return self._last_confirm_at

    async def start(self) -> None:
        self._publish_link.start()
        self._consume_link.start()

    async def stop(self) -> None:
        await self.drain()
        await asyncio.gather(self._publish_link.stop(), self._consume_link.stop())

    # Publishing

    async def _set_up_publisher(self, connection: AbstractConnection) -> None:
        self._version = server_version(connection)
        channel = connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.initialize()
        channel.close_callbacks.add(self._publish_link.reconnect)
        await self._topology.declare_exchange(channel)
        self._declared_waits.clear()
        self._publisher = channel
        self._raw_publisher = await _raw(channel)

    async def send(self, events: Sequence[Event], tx: Tx) -> None:
        await self._publish_link.connection(timeout=1)
        assert self._raw_publisher is not None
        channel = self._raw_publisher
        if channel.is_closed:
            raise TransportError("the link to RabbitMQ is being made anew")
        results = await asyncio.gather(
            *(self._send_one(channel, event) for event in events), return_exceptions=True
        )
        _raise_first([result for result in results if result is not None])
        self._last_confirm_at = time.monotonic()

    async def _send_one(self, channel: RawChannel, event: Event) -> None:
        try:
            await self._publish(
                channel, self._topology.exchange, event.type, event.encoded_data(), _properties(event)
            )
        except PublishError:
            logger.debug("nobody subscribes to this event", event_id=str(event.id), event_type=event.type)

    async def _publish(
        self, channel: RawChannel, exchange: str, key: str, body: bytes, properties: spec.Basic.Properties
    ) -> None:
        """Publish and wait for the broker's confirm. `PublishError` when no queue takes the message."""
        async with self._window:
            await channel.basic_publish(
                body,
                exchange=exchange,
                routing_key=key,
                properties=properties,
                mandatory=True,
                timeout=CONFIRM_TIMEOUT_SECONDS,
                wait=False,
            )

    async def _publish_safely(
        self, exchange: str, key: str, message: DeliveredMessage, extra: dict[str, Any]
    ) -> None:
        """Send a copy of a message somewhere else. Raises `TransportError` unless the broker has it."""
        await self._publish_link.connection()
        assert self._raw_publisher is not None
        headers = {k: v for k, v in _headers(message).items() if k.startswith("ce-")} | extra
        properties = spec.Basic.Properties(
            content_type="application/json",
            delivery_mode=2,
            message_id=message.header.properties.message_id,
            headers=headers,
        )
        try:
            await self._publish(self._raw_publisher, exchange, key, message.body, properties)
        except asyncio.CancelledError:
            if was_cancelled():
                raise
            raise TransportError("the connection broke before the confirm") from None
        except _BROKEN as error:
            raise TransportError(f"RabbitMQ did not take the message: {error!r}") from error

    # Consuming

    async def subscribe(self, subscription: Subscription, handle: Handle) -> None:
        listener = _Listener(subscription, handle, asyncio.Semaphore(subscription.concurrency))
        async with self._set_up_lock:
            self._listeners[subscription.subscriber] = listener
            connection = self._consume_connection
            if connection is None or connection.is_closed:
                return
            try:
                await self._listen(connection, listener)
            except _BROKEN as error:
                logger.warning("the subscription waits for the next connection", error=error)
                self._consume_link.reconnect()

    async def _set_up_consumers(self, connection: AbstractConnection) -> None:
        async with self._set_up_lock:
            self._consume_connection = connection
            async with connection.channel() as channel:
                await self._topology.declare_exchange(channel)
            for listener in self._listeners.values():
                await self._listen(connection, listener)

    async def _listen(self, connection: AbstractConnection, listener: _Listener) -> None:
        if self._draining:
            return
        subscription = listener.subscription
        await self._topology.declare_subscription(connection, subscription, server_version(connection))
        channel = connection.channel()
        await channel.initialize()
        await channel.set_qos(prefetch_count=max(PREFETCH, 2 * subscription.concurrency))
        channel.close_callbacks.add(self._consume_link.reconnect)
        raw = await _raw(channel)
        raw.on_consumer_cancel_callbacks.add(self._consume_link.reconnect)
        listener.channel, listener.raw = channel, raw

        async def receive(message: DeliveredMessage) -> None:
            task = asyncio.create_task(self._deliver(listener, raw, message))
            listener.tasks.add(task)
            task.add_done_callback(listener.tasks.discard)

        queue = self._topology.queue(subscription.subscriber)
        listener.tag = (await raw.basic_consume(queue, receive)).consumer_tag

    async def _deliver(self, listener: _Listener, raw: RawChannel, message: DeliveredMessage) -> None:
        """In a task of our own: the channel's tasks are cancelled, handler and all, when the link breaks."""
        async with listener.slots:
            if self._draining or raw.is_closed:
                return
            outcome = await self._handle(listener, message)
            try:
                await self._settle(listener.subscription.subscriber, message, outcome)
                await raw.basic_ack(_tag(message), wait=False)
            except (TransportError, *_BROKEN) as error:
                logger.warning("a delivery was not settled and comes again", error=error)
                await self._return(raw, message)

    async def _handle(self, listener: _Listener, message: DeliveredMessage) -> Outcome:
        try:
            event = from_headers(_headers(message), message.body)
        except EventRefusedError as error:
            return GiveUp(str(error))
        return await listener.handle(Delivery(event, int(_headers(message).get(_ATTEMPT, 0))))

    async def _settle(self, subscriber: str, message: DeliveredMessage, outcome: Outcome) -> None:
        attempts = int(_headers(message).get(_ATTEMPT, 0)) + 1
        if isinstance(outcome, Retry):
            exchange = await self._wait_exchange(outcome.delay)
            extra: dict[str, Any] = {_ATTEMPT: attempts, _ERROR: outcome.error}
            await self._publish_safely(exchange, self._topology.queue(subscriber), message, extra)
        elif isinstance(outcome, GiveUp):
            extra = {_ATTEMPT: attempts, _ERROR: outcome.error, _DEAD_AT: datetime.now(UTC).isoformat()}
            await self._publish_safely("", self._topology.dead_queue(subscriber), message, extra)
        else:
            assert isinstance(outcome, Done)

    async def _wait_exchange(self, delay: float) -> str:
        name = self._topology.waiting(delay)
        if name not in self._declared_waits:
            connection = await self._publish_link.connection()
            async with connection.channel() as channel:
                await self._topology.declare_waiting(channel, delay)
            self._declared_waits.add(name)
        return name

    async def _return(self, raw: RawChannel, message: DeliveredMessage) -> None:
        """Give a message back to its queue after a moment; a closed channel has given it back already."""
        await asyncio.sleep(0 if self._draining else 1)
        if not raw.is_closed:
            try:
                await raw.basic_nack(_tag(message), requeue=True, wait=False)
            except _BROKEN:
                self._consume_link.reconnect()

    async def drain(self) -> None:
        self._draining = True
        for listener in self._listeners.values():
            if listener.raw is not None and listener.tag is not None and not listener.raw.is_closed:
                try:
                    await listener.raw.basic_cancel(listener.tag, timeout=5)
                except _BROKEN as error:
                    logger.debug("the consumer was gone already", error=error)
        running = [task for listener in self._listeners.values() for task in listener.tasks]
        await asyncio.gather(*running, return_exceptions=True)

    # Dead letters

    async def dead_letters(self, subscriber: str, limit: int) -> list[DeadLetter]:
        found = [_dead_letter(subscriber, m) for m in await self._look_at_dead(subscriber, limit)]
        return [letter for letter in found if letter is not None]

    async def _look_at_dead(self, subscriber: str, limit: int) -> list[DeliveredMessage]:
        """Take messages without acknowledging them: closing the channel puts them back."""
        connection = await self._publish_link.connection()
        messages: list[DeliveredMessage] = []
        try:
            async with connection.channel(publisher_confirms=False) as channel:
                raw = await _raw(channel)
                while len(messages) < limit and (
                    message := await _get(raw, self._topology.dead_queue(subscriber))
                ):
                    messages.append(message)
        except ChannelNotFoundEntity:
            return []
        return messages

    async def replay(self, subscriber: str, event_id: UUID) -> bool:
        connection = await self._publish_link.connection()
        try:
            async with connection.channel(publisher_confirms=False) as channel:
                raw = await _raw(channel)
                for _ in range(_REPLAY_SCAN):
                    message = await _get(raw, self._topology.dead_queue(subscriber))
                    if message is None:
                        break
                    if _headers(message).get("ce-id") == str(event_id):
                        await self._publish_safely("", self._topology.queue(subscriber), message, {})
                        await raw.basic_ack(_tag(message))
                        return True
        except ChannelNotFoundEntity:
            return False
        return False


def _raise_first(faults: Sequence[BaseException]) -> None:
    """Raise the fault of an event before those that only followed from it, such as a closed channel."""
    for fault in faults:
        if isinstance(fault, _REFUSALS):
            raise EventNotTakenError(f"RabbitMQ refused an event: {fault}") from fault
    for fault in faults:
        raise TransportError(f"RabbitMQ did not confirm: {fault!r}") from fault


async def _raw(channel: AbstractChannel) -> RawChannel:
    raw = await channel.get_underlay_channel()
    assert isinstance(raw, RawChannel)
    return raw


async def _get(raw: RawChannel, queue: str) -> DeliveredMessage | None:
    message = await raw.basic_get(queue, timeout=CONFIRM_TIMEOUT_SECONDS)
    return None if isinstance(message.delivery, spec.Basic.GetEmpty) else message


def _headers(message: DeliveredMessage) -> dict[str, Any]:
    return message.header.properties.headers or {}


def _tag(message: DeliveredMessage) -> int:
    delivery = message.delivery
    assert isinstance(delivery, (spec.Basic.Deliver, spec.Basic.GetOk))
    assert delivery.delivery_tag is not None
    return delivery.delivery_tag


def _properties(event: Event) -> spec.Basic.Properties:
    return aiormq.spec.Basic.Properties(
        content_type="application/json",
        delivery_mode=2,
        message_id=str(event.id),
        message_type=event.type,
        timestamp=event.time,
        app_id=event.source.lstrip("/"),
        headers=dict(to_headers(event)),
    )


def _dead_letter(subscriber: str, message: DeliveredMessage) -> DeadLetter | None:
    headers = _headers(message)
    try:
        event = from_headers(headers, message.body)
    except EventRefusedError as error:
        logger.error("a dead letter is no event and can only be removed by hand", error=error)
        return None
    dead_at = headers.get(_DEAD_AT)
    return DeadLetter(
        event=event,
        subscriber=subscriber,
        attempts=int(headers.get(_ATTEMPT, 0)),
        error=str(headers.get(_ERROR, "the process ended while handling it, again and again")),
        dead_at=datetime.fromisoformat(dead_at) if dead_at else event.time,
    )
