"""The small interface both transports have, and what passes through it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from shared.database.tx import Tx
from shared.events.envelope import Event, to_document

MAX_CLAIMS = 20
"""Times one message is handed to a process before it counts as the one that kills processes."""


class TransportError(Exception):
    """The transport cannot take or deliver events now; the same call may succeed later."""


class EventNotTakenError(TransportError):
    """The transport refuses one of the events for itself, such as one that is too large."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one consumer wants. `subscriber` is `<service>.<consumer>`; it lasts when the process is away.

    At most `concurrency` deliveries are being handled at once in this process.
    """

    subscriber: str
    types: tuple[str, ...]
    concurrency: int = 4


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one subscriber; `attempt` counts the failed attempts before this one."""

    event: Event
    attempt: int


@dataclass(frozen=True, slots=True)
class Done:
    """Handled: forget it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Deliver again, not before `delay` seconds have passed."""

    delay: float
    error: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Put it with the dead letters."""

    error: str


Outcome = Done | Retry | GiveUp
Handle = Callable[[Delivery], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event a consumer gave up on. `attempts` counts all failed ones."""

    event: Event
    subscriber: str
    attempts: int
    error: str
    dead_at: datetime

    def document(self) -> dict[str, Any]:
        return {
            "id": str(self.event.id),
            "consumer": self.subscriber,
            "attempts": self.attempts,
            "error": self.error,
            "dead_at": self.dead_at.isoformat(),
            "event": to_document(self.event),
        }


class Transport(Protocol):
    """Moves events between services, at least once, in no promised order.

    An event nobody subscribes to is dropped without an error. A subscription sees the events sent after it
    was first made, and keeps collecting while its process is away.
    """

    name: str

    async def start(self) -> None:
        """Begin to connect. A server that is away is no error; it is tried again until `stop`."""

    async def stop(self) -> None:
        """Close everything. Deliveries that are not finished come again."""

    async def send(self, events: Sequence[Event], tx: Tx) -> None:
        """Return when every event is safe on the other side. Raises `TransportError`, and
        `EventNotTakenError` when it is the fault of one of the events.

        `tx` is the transaction that took them out of the outbox; a transport in this database writes in it.
        """

    async def subscribe(self, subscription: Subscription, handle: Handle) -> None:
        """Make the subscription last and begin to deliver; returns at once, also while the server is away."""

    async def drain(self) -> None:
        """Take no new deliveries and wait for those being handled."""

    async def dead_letters(self, subscriber: str, limit: int) -> list[DeadLetter]:
        """Up to `limit` dead letters of one subscriber, oldest first."""

    async def replay(self, subscriber: str, event_id: UUID) -> bool:
        """Deliver a dead letter again with fresh attempts; False when there is none of this id."""

    @property
    def is_connected(self) -> bool: ...

    @property
    def can_send(self) -> bool:
        """Connected, and this process's subscriptions stored, so that what it sends cannot miss them."""

    @property
    def last_confirm_at(self) -> float | None:
        """Monotonic time of the last event known safe, in seconds; None before the first."""
