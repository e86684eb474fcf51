"""Event type to handler, of the whole service."""

from __future__ import annotations

from campaign_service.deliveries import consumer as deliveries

CONSUMERS = (*deliveries.CONSUMERS,)
