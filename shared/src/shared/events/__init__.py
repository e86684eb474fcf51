"""Events: the envelope, the outbox, consumers, and the two transports that carry them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from shared.errors import PermanentError
from shared.events.bus import EventBus
from shared.events.consumer import RETRY_DELAYS, Consumer, MessageContext
from shared.events.envelope import Event, EventRefusedError, new_event
from shared.events.transports.base import DeadLetter, Transport, TransportError

if TYPE_CHECKING:
    from fastapi import APIRouter

__all__ = [
    "RETRY_DELAYS",
    "Consumer",
    "DeadLetter",
    "Event",
    "EventBus",
    "EventRefusedError",
    "MessageContext",
    "PermanentError",
    "Transport",
    "TransportError",
    "dead_letters_router",
    "new_event",
]


@cache
def dead_letters_router() -> APIRouter:
    """`/internal/events/dead-letters` for other services: list and replay what this one gave up on."""
    # Imported late: the routes need shared.web, which itself needs this package.
    from shared.events.routes import build_router

    return build_router()
