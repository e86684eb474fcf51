"""How events travel between services: RabbitMQ, or Postgres where there is no broker."""

from shared.events.transports.base import (
    DeadLetter,
    Delivery,
    Done,
    EventNotTakenError,
    GiveUp,
    Outcome,
    Retry,
    Subscription,
    Transport,
    TransportError,
)

__all__ = [
    "DeadLetter",
    "Delivery",
    "Done",
    "EventNotTakenError",
    "GiveUp",
    "Outcome",
    "Retry",
    "Subscription",
    "Transport",
    "TransportError",
]
