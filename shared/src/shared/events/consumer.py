"""What a service does with an event it receives."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
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
    `concurrency` is per process.
    """

    name: str
    types: Sequence[str]
    handler: Handler
    in_transaction: bool = True
    concurrency: int = 4


class Dispatcher:
    """Runs one consumer's handler for one delivery and says what becomes of it."""

    def __init__(
        self,
        consumer: Consumer,
        db: SimpleDatabase,
        runtime: Any,
        retry_delays: Sequence[float] = RETRY_DELAYS,
    ) -> None:
        self._consumer = consumer
        self._db = db
        self._runtime = runtime
        self._delays = retry_delays

    async def __call__(self, delivery: Delivery) -> Outcome:
        event, name = delivery.event, self._consumer.name
        began = time.perf_counter()
        with logger.set_context(
            event_id=str(event.id),
            event_type=event.type,
            consumer=name,
            correlation_id=event.correlation_id,
            traceparent=event.traceparent,
        ):
            outcome = await self._outcome(delivery)
        metrics.handled.labels(name, type(outcome).__name__.lower()).inc()
        metrics.duration.labels(name).observe(time.perf_counter() - began)
        return outcome

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
        if delivery.attempt >= len(self._delays):
            logger.exception("event given up after its last attempt")
            return GiveUp(_describe(error))
        delay = self._delays[delivery.attempt]
        logger.warning("event will be tried again", error=error, attempt=delivery.attempt + 1, retry_in=delay)
        return Retry(delay, _describe(error))

    async def _handle(self, delivery: Delivery) -> None:
        event, name = delivery.event, self._consumer.name
        context = MessageContext(event, self._runtime, name, delivery.attempt)
        if not self._consumer.in_transaction:
            await self._handle_outside(context)
            return
        async with self._db.system_tx() as tx:
            if not await repository.claim_inbox(tx, name, event.id):
                logger.debug("event was handled before")
                return
            if event.tenant_id is not None:
                await tx.set_tenant(event.tenant_id)
            context._tx = tx  # noqa: SLF001  # the context is ours
            await self._consumer.handler(context)

    async def _handle_outside(self, context: MessageContext) -> None:
        async with self._db.system_tx() as tx:
            if await repository.is_in_inbox(tx, context.consumer, context.event.id):
                return
        await self._consumer.handler(context)
        async with self._db.system_tx() as tx:
            await repository.claim_inbox(tx, context.consumer, context.event.id)


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:_MAX_ERROR_TEXT]
