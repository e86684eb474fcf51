"""Whether a domain takes mail, asked of the DNS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

import anyio
import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver

from campaign_service.validation.rules import Verdict

Said = TypeVar("Said")
_AT_ONCE = 20
_TIMEOUT_SECONDS = 5.0
#: After so many domains without an answer, and none with one, the DNS counts as out of reach.
_PATIENCE = 5


class MailDomains:
    """Asks about domains. `server` is a resolver's `host:port`, empty for the machine's own, `off` for none.

    Without answers it stops asking: `is_silent`.
    """

    def __init__(self, server: str = "", timeout: float = _TIMEOUT_SECONDS) -> None:
        self._resolver = _resolver(server, timeout)
        self._unanswered = 0
        self.asked = 0
        self.answered = 0

    @property
    def is_silent(self) -> bool:
        return self._resolver is None or (not self.answered and self._unanswered >= _PATIENCE)

    async def verdicts(self, domains: Collection[str]) -> dict[str, Verdict]:
        """Domain to verdict, without those nothing could be found out about."""
        return await self._each(domains, self._mail_servers)

    async def hosts(self, domains: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Domain to its mail servers, the preferred first; without those nothing could be found out about."""
        return await self._each(domains, self._hosts)

    async def _each(
        self, domains: Collection[str], what: Callable[[str], Awaitable[Said]]
    ) -> dict[str, Said]:
        found: dict[str, Said] = {}
        limit = anyio.CapacityLimiter(_AT_ONCE)

        async def ask(domain: str) -> None:
            async with limit:
                if self.is_silent:
                    return
                self.asked += 1
                try:
                    found[domain] = await what(domain)
                except (dns.exception.DNSException, OSError):
                    self._unanswered += 1
                else:
                    self.answered += 1

        async with anyio.create_task_group() as group:
            for domain in domains:
                group.start_soon(ask, domain)
        return found

    async def _hosts(self, domain: str) -> tuple[str, ...]:
        assert self._resolver is not None
        try:
            answer = await self._resolver.resolve(f"{domain}.", dns.rdatatype.MX)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        return tuple(str(record.exchange) for record in sorted(answer, key=lambda one: one.preference))

    async def _mail_servers(self, domain: str) -> Verdict:
        """RFC 5321 5.1: the MX hosts, else the domain itself; RFC 7505: a lone "." takes no mail."""
        assert self._resolver is not None
        try:
            answer = await self._resolver.resolve(f"{domain}.", dns.rdatatype.MX)
        except dns.resolver.NXDOMAIN:
            return "no_mail_server"
        except dns.resolver.NoAnswer:
            return "accepts" if await self._has_address(domain) else "no_mail_server"
        hosts = [str(record.exchange) for record in answer]
        return "null_mx" if hosts == ["."] else "accepts"

    async def _has_address(self, domain: str) -> bool:
        assert self._resolver is not None
        for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
            try:
                await self._resolver.resolve(f"{domain}.", kind)
            except dns.resolver.NoAnswer:
                continue
            return True
        return False


def _resolver(server: str, timeout: float) -> dns.asyncresolver.Resolver | None:
    if server == "off":
        return None
    try:
        resolver = dns.asyncresolver.Resolver(configure=not server)
    except dns.resolver.NoResolverConfiguration:
        return None
    if server:
        host, _, port = server.rpartition(":")
        resolver.nameservers = [host]
        resolver.port = int(port)
    resolver.lifetime = timeout
    return resolver
