"""Where tenants may have us connect to: public addresses, never our own network.

A name is looked up once, and the address that was judged is the one connected to.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult


class ForbiddenAddressError(OSError):
    """The name leads to an address that is not public, or nowhere."""


def host_of(settings: dict[str, Any]) -> str:
    """The host of a provider's settings."""
    if host := settings.get("host"):
        return str(host)
    return urlsplit(str(settings.get("url", ""))).hostname or ""


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return found.is_global and not found.is_multicast and (mapped is None or mapped.is_global)


def is_forbidden_literal(host: str, allowed: Collection[str]) -> bool:
    """Whether the host is written as an address that may not be connected to."""
    try:
        return host not in allowed and not _is_public(host.strip("[]"))
    except ValueError:
        return host.lower() == "localhost" and host not in allowed


async def public_address(host: str, port: int, allowed: Collection[str]) -> str:
    """An address of the host to connect to. Raises ForbiddenAddressError, or OSError for an unknown name."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(info[4][0]) for info in found]
    if host in allowed and addresses:
        return addresses[0]
    if not addresses or not all(_is_public(address) for address in addresses):
        raise ForbiddenAddressError(f"{host} is no public address")
    return addresses[0]


class PublicResolver(AbstractResolver):
    """Names to public addresses, for aiohttp. It is not asked about hosts written as addresses."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address = await public_address(host, port, self._allowed)
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST
            )
        ]

    async def close(self) -> None:
        """Nothing is open."""
