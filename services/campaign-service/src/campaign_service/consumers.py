"""Event type to handler, of the whole service."""

from __future__ import annotations

from campaign_service.campaigns.holds import consumer as tenants
from campaign_service.deliveries import consumer as deliveries
from campaign_service.messages import consumer as messages
from campaign_service.netlife import texting as portals
from campaign_service.sms import inbound as texts
from campaign_service.sms.links import service as text_links

CONSUMERS = (
    *deliveries.CONSUMERS,
    *messages.CONSUMERS,
    *tenants.CONSUMERS,
    *texts.CONSUMERS,
    *text_links.CONSUMERS,
    *portals.CONSUMERS,
)
