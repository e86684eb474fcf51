"""TXT records, asked of the DNS."""

from __future__ import annotations

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

_TIMEOUT_SECONDS = 4.0


class TextRecords:
    """`server` is a resolver's `host:port`, empty for the machine's own, `off` for none."""

    def __init__(self, server: str, timeout: float = _TIMEOUT_SECONDS) -> None:
        self._resolver = _resolver(server, timeout)

    async def of(self, name: str) -> list[str] | None:
        """Each record with its strings joined, [] when there are none; None when the DNS did not say."""
        if self._resolver is None:
            return None
        try:
            answer = await self._resolver.resolve(dns.name.from_text(name), dns.rdatatype.TXT)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError):
            return None
        return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]


def _resolver(server: str, timeout: float) -> dns.asyncresolver.Resolver | None:
    if server == "off":
        return None
    try:
        resolver = dns.asyncresolver.Resolver(configure=not server)
    except dns.resolver.NoResolverConfiguration:
        return None
    if server:
        host, _, port = server.rpartition(":")
        resolver.nameservers, resolver.port = [host], int(port)
    resolver.timeout = resolver.lifetime = timeout
    return resolver
