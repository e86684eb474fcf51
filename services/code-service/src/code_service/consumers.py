"""Event type to handler, of the whole service."""

from __future__ import annotations

from code_service.orders import consumer as orders

CONSUMERS = orders.CONSUMERS
