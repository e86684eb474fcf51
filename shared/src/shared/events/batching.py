"""Several waiting events of one tenant in one transaction."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from shared.events import metrics, repository
from shared.events.consumer import Dispatcher, MessageContext
from shared.events.envelope import check_tenant
from shared.events.transports.base import Delivery, Done, Outcome
from shared.utils.logging import logger


@dataclass(slots=True, eq=False)
class _Waiting:
    delivery: Delivery
    outcome: asyncio.Future[Outcome]


@dataclass
class BatchDispatcher(Dispatcher):
    """Takes what is waiting, up to `consumer.batch` events of one tenant, into one transaction.

    When one of them fails, the transaction is undone and each is handled by itself, so an event's end depends
    on that event alone.
    """

    _waiting: deque[_Waiting] = field(default_factory=deque)
    _lanes: set[asyncio.Task[None]] = field(default_factory=set)

    async def __call__(self, delivery: Delivery) -> Outcome:
        waiting = _Waiting(delivery, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if len(self._lanes) < self.consumer.concurrency:
            lane = asyncio.create_task(self._work())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        return await waiting.outcome

    async def _work(self) -> None:
        while self._waiting:
            chunk = self._take()
            if len(chunk) == 1 or not await self._together(chunk):
                for one in chunk:
                    _resolve(one, await super().__call__(one.delivery))

    def _take(self) -> list[_Waiting]:
        """The longest waiting event and others of its tenant; the rest keeps its order."""
        first = self._waiting.popleft()
        chunk, kept = [first], list[_Waiting]()
        while self._waiting and len(chunk) < self.consumer.batch:
            one = self._waiting.popleft()
            same = one.delivery.event.tenant_id == first.delivery.event.tenant_id
            (chunk if same else kept).append(one)
        self._waiting.extendleft(reversed(kept))
        return chunk

    async def _together(self, chunk: list[_Waiting]) -> bool:
        """Handle all in one transaction; False when that failed and nothing has happened."""
        try:
            with self.timed(len(chunk)):
                await self._handle_all([one.delivery for one in chunk])
        except Exception as error:  # noqa: BLE001  # each is tried by itself, and there each error is dealt with
            logger.info("events are handled one by one", consumer=self.consumer.name, error=error)
            return False
        metrics.handled.labels(self.consumer.name, "done").inc(len(chunk))
        for one in chunk:
            _resolve(one, Done())
        return True

    async def _handle_all(self, deliveries: list[Delivery]) -> None:
        name = self.consumer.name
        async with self.transaction(deliveries[0].event) as tx:
            fresh = await repository.claim_inbox_many(tx, name, [d.event.id for d in deliveries])
            for delivery in deliveries:
                check_tenant(delivery.event)
                if delivery.event.id in fresh:
                    fresh.remove(delivery.event.id)
                    with self.log_context(delivery.event):
                        context = MessageContext(delivery.event, self.runtime, name, delivery.attempt, tx)
                        await self.consumer.handler(context)


def _resolve(waiting: _Waiting, outcome: Outcome) -> None:
    if not waiting.outcome.done():
        waiting.outcome.set_result(outcome)
