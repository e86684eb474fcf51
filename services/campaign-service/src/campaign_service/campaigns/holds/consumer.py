"""What this service has to know of its tenants."""

from __future__ import annotations

from campaign_service.campaigns.holds import repository
from shared.events import Consumer, MessageContext
from shared.events.catalog import TenantCreated, TenantUpdated

_CREATED, _UPDATED = "auth.tenant.created.v1", "auth.tenant.updated.v1"


async def keep_zone(context: MessageContext) -> None:
    """Keep the tenant's time zone, for recipients of whom none is known."""
    told: dict[str, type[TenantCreated | TenantUpdated]] = {_CREATED: TenantCreated, _UPDATED: TenantUpdated}
    tenant = context.parse(told[context.event.type])
    await repository.remember_zone(context.tx, context.tx.tenant, tenant.time_zone, context.event.time)


CONSUMERS = (Consumer("tenant-zones", (_CREATED, _UPDATED), keep_zone),)
