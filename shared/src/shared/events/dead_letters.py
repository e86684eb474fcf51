"""The events a service could not get done: not handled, or not even sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from shared.database import SimpleDatabase
from shared.errors import NotFoundError
from shared.events import repository
from shared.events.envelope import from_row
from shared.events.transports.base import DeadLetter, Transport

OUTBOX = "outbox"
"""Stands for the consumer in dead letters that the transport refused, so that nobody got them."""


class RefusedEvents:
    """The events this service published and the transport refused. `wake` tells the relay of a replay."""

    def __init__(self, db: SimpleDatabase, name: str, wake: Callable[[], None]) -> None:
        self._db = db
        self._name = name
        self._wake = wake

    async def list(self, limit: int) -> list[DeadLetter]:
        async with self._db.system_tx() as tx:
            rows = await repository.refused(tx, limit)
        return [
            DeadLetter(from_row(row), self._name, row["tries"], row["error"], row["refused_at"])
            for row in rows
        ]

    async def replay(self, event_id: UUID) -> bool:
        """Put it back into the outbox; False when there is none of this id."""
        async with self._db.system_tx() as tx:
            tx.after_commit.append(self._wake)
            return await repository.take_back(tx, event_id)


class DeadLetters:
    """The events this service's consumers gave up on, and those of its own that could not leave.

    The latter have `outbox` as their consumer.
    """

    def __init__(self, transport: Transport, subscribers: Sequence[str], outbox: RefusedEvents) -> None:
        self._transport = transport
        self._subscribers = subscribers
        self._outbox = outbox

    async def list(self, *, consumer: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Oldest first within a consumer, up to `limit` in all. `NotFoundError` for an unknown consumer."""
        found: list[DeadLetter] = []
        if consumer in (None, OUTBOX):
            found += await self._outbox.list(limit)
        for subscriber in self._chosen(consumer):
            if len(found) < limit:
                found += await self._transport.dead_letters(subscriber, limit - len(found))
        return found

    async def replay(self, event_id: UUID, *, consumer: str | None = None) -> int:
        """Deliver a dead letter again to the consumers that gave up on it, or send it again; how many.

        Else `NotFoundError`.
        """
        replayed = [await self._transport.replay(s, event_id) for s in self._chosen(consumer)]
        if consumer in (None, OUTBOX):
            replayed.append(await self._outbox.replay(event_id))
        if not any(replayed):
            raise NotFoundError("There is no dead letter of this id")
        return sum(replayed)

    def _chosen(self, consumer: str | None) -> Sequence[str]:
        if consumer is None:
            return self._subscribers
        chosen = [s for s in self._subscribers if consumer in (s, s.partition(".")[2])]
        if not chosen and consumer != OUTBOX:
            raise NotFoundError("There is no consumer of this name")
        return chosen
