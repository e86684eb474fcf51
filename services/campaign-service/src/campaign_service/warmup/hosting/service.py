"""The mailbox provider of an address: by its domain, else by what the DNS said of that some time ago."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from campaign_service.warmup.plans import MailboxProvider, domain_of, own_provider
from shared.database import Tx

from . import repository


async def providers(tx: Tx, addresses: Iterable[str]) -> Callable[[str], MailboxProvider]:
    """Tells the providers of these addresses; of a domain nothing is known of (yet) it is `other`."""
    domains = {domain for email in addresses if own_provider(domain := domain_of(email)) is None}
    known = await repository.known(tx, tx.tenant, domains) if domains else {}

    def provider(email: str) -> MailboxProvider:
        domain = domain_of(email)
        return own_provider(domain) or known.get(domain, "other")

    return provider
