"""Counters of the event bus."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

relayed = Counter("tidings_events_relayed", "Events moved from the outbox to the transport")
refused = Counter("tidings_events_refused", "Events the transport refused for themselves, set aside")
handled = Counter("tidings_events_handled", "Deliveries by their end", ["consumer", "outcome"])
duration = Histogram("tidings_event_handler_seconds", "Time one delivery took", ["consumer"])
