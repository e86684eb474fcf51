"""What this service has to know of its tenants."""

from __future__ import annotations

from campaign_service.campaigns.holds import repository
from shared.events import Consumer, MessageContext
from shared.events.catalog import TenantCreated


async def tenant_created(context: MessageContext) -> None:
    """Keep the tenant's time zone, for recipients of whom none is known."""
    tenant = context.parse(TenantCreated)
    await repository.remember_zone(context.tx, context.tx.tenant, tenant.time_zone)


CONSUMERS = (Consumer("tenant-zones", ("auth.tenant.created.v1",), tenant_created),)
