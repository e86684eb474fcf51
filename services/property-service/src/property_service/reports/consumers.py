"""Mails that follow from facts: a client was registered, a job failed for good, a tenant came into being."""

from __future__ import annotations

from uuid import UUID

from property_service.clients import repository as clients_repository
from property_service.clients import service as clients
from property_service.processing import repository as jobs
from property_service.reports import repository
from property_service.reports.mails import Mailer, addressee, city_names
from property_service.settings import settings_of
from shared.database import Tx
from shared.events import Consumer, MessageContext
from shared.events.catalog import ClientRegistered, JobFailedPermanently, TenantCreated
from shared.utils.logging import logger

SERVICE = "property-service"


async def welcome(context: MessageContext) -> None:
    """Greet a new client."""
    fact, tx = context.parse(ClientRegistered), context.tx
    client = await clients_repository.get(tx, tx.tenant, fact.client_id)
    if client is None:
        return
    mailer = await Mailer.of(tx, context.runtime)
    names = await city_names(tx, client)
    count = clients.wanted_addresses(client, settings_of(context.runtime))
    await mailer.welcome(addressee(client), client["send_day"], count, names, str(fact.client_id))


async def alert(context: MessageContext) -> None:
    """Tell of a job of this service that will not be tried again."""
    fact = context.parse(JobFailedPermanently)
    if fact.service != SERVICE:
        return
    if context.event.tenant_id is None:
        logger.error("a job of the installation failed for good", job_type=fact.job_type, error=fact.error)
        return
    tx = context.tx
    mailer = await Mailer.of(tx, context.runtime)
    client = await _client_of(tx, fact.job_id)
    await mailer.job_failed(fact, client, str(fact.job_id))


async def _client_of(tx: Tx, job_id: UUID) -> dict[str, object] | None:
    """The client a job was for, as far as there is one."""
    job = await jobs.get(tx, tx.tenant, job_id)
    if job is None or job["client_id"] is None:
        return None
    return await clients_repository.get(tx, tx.tenant, job["client_id"])


async def name_brand(context: MessageContext) -> None:
    """Mails carry the tenant's name until somebody sets another brand."""
    fact, tx = context.parse(TenantCreated), context.tx
    await repository.name_brand(tx, tx.tenant, fact.name[:120], context.runtime.clock.now())


CONSUMERS = (
    Consumer("client-welcome", ("property.client.registered.v1",), welcome),
    Consumer("failure-alerts", ("job.failed_permanently.v1",), alert),
    Consumer("tenant-brands", ("auth.tenant.created.v1",), name_brand),
)
