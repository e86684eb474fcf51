"""What a service does with an event it receives."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shared.database import SimpleDatabase, Tx
from shared.errors import PermanentError
from shared.events import metrics, repository
from shared.events.envelope import Event, EventRefusedError, check_tenant
from shared.events.transports.base import Delivery, Done, GiveUp, Outcome, Retry
from shared.utils.logging import logger

RETRY_DELAYS: tuple[float, ...] = (5.0, 60.0, 600.0, 3600.0)
_MAX_ERROR_TEXT = 2000

M = TypeVar("M", bound=BaseModel)


@dataclass(slots=True)
class MessageContext:
    """One event being handled.

    `tx` is the handler's transaction, in the event's tenant when it has one. With `in_transaction=False`
    there is none, and `tx` raises RuntimeError.
    """

    event: Event
    runtime: Any
    consumer: str
    attempt: int
    _tx: Tx | None = field(default=None, repr=False)

    @property
    def tx(self) -> Tx:
        if self._tx is None:
            raise RuntimeError("this consumer runs without a transaction; open one with runtime.db")
        return self._tx

    def parse(self, model: type[M]) -> M:
        """The event's data as a model; data of another shape is a permanent error."""
        try:
            return model.model_validate(self.event.data)
        except ValidationError as error:
            raise EventRefusedError(f"{self.event.type}: {error.error_count()} wrong fields") from error


Handler = Callable[[MessageContext], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Consumer:
    """Event types and the function that handles them; `*` in a type stands for one segment.

    The handler and the note that it ran commit together, so a repeated delivery does nothing. With
    `in_transaction=False` the note is written after the handler returned: it must itself stand repeats.
    `PermanentError` sends the event to the dead letters at once, any other exception is tried again later.
    `concurrency` is the number of transactions at once in a process. With `batch` above 1, up to so many
    waiting events of one tenant share a transaction: many times faster for handlers of one or two short
    statements. If one of them fails, all are handled again, each by itself.
    """

    name: str
    types: Sequence[str]
    handler: Handler
    in_transaction: bool = True
    concurrency: int = 4
    batch: int = 1

    def __post_init__(self) -> None:
        if self.batch < 1 or self.concurrency < 1 or (self.batch > 1 and not self.in_transaction):
            raise ValueError("batch and concurrency are at least 1; a batch needs the transaction")


@dataclass
class Dispatcher:
    """Runs one consumer's handler for one delivery and says what becomes of it."""

    consumer: Consumer
    db: SimpleDatabase
    runtime: Any
    retry_delays: Sequence[float] = RETRY_DELAYS

    async def __call__(self, delivery: Delivery) -> Outcome:
        with self.log_context(delivery.event), self.timed():
            outcome = await self._outcome(delivery)
        metrics.handled.labels(self.consumer.name, type(outcome).__name__.lower()).inc()
        return outcome

    def log_context(self, event: Event) -> AbstractContextManager[object]:
        """What log lines of a handler tell."""
        return logger.set_context(
            event_id=str(event.id),
            event_type=event.type,
            consumer=self.consumer.name,
            correlation_id=event.correlation_id,
            traceparent=event.traceparent,
        )

    @contextmanager
    def timed(self, deliveries: int = 1) -> Iterator[None]:
        """Measure the time of one delivery; of so many handled together, the mean."""
        began = time.perf_counter()
        yield
        seconds = (time.perf_counter() - began) / deliveries
        for _ in range(deliveries):
            metrics.duration.labels(self.consumer.name).observe(seconds)

    def transaction(self, event: Event) -> AbstractAsyncContextManager[Tx]:
        """A transaction of the event's tenant, over all tenants for an event that has none."""
        return self.db.system_tx() if event.tenant_id is None else self.db.tenant_tx(event.tenant_id)

    async def _outcome(self, delivery: Delivery) -> Outcome:
        try:
            check_tenant(delivery.event)
            await self._handle(delivery)
        except PermanentError as error:
            logger.error("event refused for good", error=error)
            return GiveUp(_describe(error))
        except Exception as error:  # noqa: BLE001  # whatever a handler raises, the event must not be lost
            return self._after_failure(delivery, error)
        return Done()

    def _after_failure(self, delivery: Delivery, error: Exception) -> Outcome:
        if delivery.attempt >= len(self.retry_delays):
            logger.exception("event given up after its last attempt")
            return GiveUp(_describe(error))
        delay = self.retry_delays[delivery.attempt]
        logger.warning("event will be tried again", error=error, attempt=delivery.attempt + 1, retry_in=delay)
        return Retry(delay, _describe(error))

    async def _handle(self, delivery: Delivery) -> None:
        event, name = delivery.event, self.consumer.name
        context = MessageContext(event, self.runtime, name, delivery.attempt)
        if not self.consumer.in_transaction:
            await self._handle_outside(context)
            return
        async with self.transaction(event) as tx:
            if not await repository.claim_inbox(tx, name, event.id):
                logger.debug("event was handled before")
                return
            context._tx = tx  # noqa: SLF001  # the context is ours
            await self.consumer.handler(context)

    async def _handle_outside(self, context: MessageContext) -> None:
        async with self.db.system_tx() as tx:
            if await repository.is_in_inbox(tx, context.consumer, context.event.id):
                return
        await self.consumer.handler(context)
        async with self.db.system_tx() as tx:
            await repository.claim_inbox(tx, context.consumer, context.event.id)


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:_MAX_ERROR_TEXT]
