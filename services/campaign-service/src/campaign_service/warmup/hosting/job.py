"""Asking the DNS whose mailboxes contacts have, in the background: the sender only reads what was found."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from campaign_service.contacts.address import ascii_domain
from campaign_service.settings import settings_of
from campaign_service.validation.dns import MailDomains
from campaign_service.warmup.plans import MailboxProvider, own_domains
from shared.jobs import JobAlreadyActive, JobContext, Schedule, job

from . import repository
from .servers import provider_of

TENANT_JOB = "mailbox-hosts.ask-tenant"
_BATCH = 500
_MOST = 20 * _BATCH
_HOSTED_DAYS, _OTHER_DAYS = 30, 7
_KEPT = timedelta(days=60)


@job("mailbox-hosts.ask", max_attempts=1)
async def ask(ctx: JobContext) -> dict[str, Any]:
    """Have the domains of everybody who treats mailbox providers differently looked at."""
    async with ctx.runtime.db.system_tx() as tx:
        tenants = await repository.tenants(tx)
        await repository.forget(tx, ctx.runtime.clock.now() - _KEPT)
    for tenant_id in tenants:
        with suppress(JobAlreadyActive):
            async with ctx.runtime.db.tenant_tx(tenant_id) as tx:
                await ctx.runtime.jobs.enqueue(tx, TENANT_JOB, {}, tenant_id=tenant_id, unique_key="ask")
    return {"tenants": len(tenants)}


@job(TENANT_JOB, max_attempts=1, timeout=1800)
async def ask_tenant(ctx: JobContext) -> dict[str, Any]:
    """Ask about domains, those of most contacts first; one the DNS says nothing about is asked again."""
    servers, now = MailDomains(settings_of(ctx.runtime).validation_dns), ctx.runtime.clock.now()
    async with ctx.tx() as tx:
        found = await repository.to_ask(tx, tx.tenant, own_domains(), now, _MOST)
    domains = {domain: name for domain in found if (name := ascii_domain(domain)) is not None}
    names, kept = list(domains), 0
    for at in range(0, len(names), _BATCH):
        if servers.is_silent:
            break
        ctx.check_cancelled()
        batch = names[at : at + _BATCH]
        said = await servers.hosts({domains[domain] for domain in batch})
        rows = [_row(domain, said[name], now) for domain in batch if (name := domains[domain]) in said]
        async with ctx.tx() as tx:
            await repository.keep(tx, tx.tenant, rows, now)
        kept += len(rows)
    return {"domains": len(names), "found": kept}


def _row(domain: str, hosts: tuple[str, ...], now: datetime) -> tuple[str, MailboxProvider, datetime]:
    provider = provider_of(hosts)
    return domain, provider, now + timedelta(days=_OTHER_DAYS if provider == "other" else _HOSTED_DAYS)


JOBS = (ask, ask_tenant)
SCHEDULES = (Schedule("mailbox-hosts.ask", 300, ask.type),)
