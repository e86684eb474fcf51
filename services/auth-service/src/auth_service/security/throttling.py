"""How long a caller waits after failures. Nobody is ever locked out for good."""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import timedelta


def delay_after(attempts: int, free: int, cap: timedelta) -> timedelta:
    """No wait for the first `free` attempts, then 1 s, 2 s, 4 s … up to `cap`."""
    over = attempts - free
    if over < 0:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(over, 30)), cap)


def network_of(ip: str | None) -> str:
    """The unit that limits count by: an IPv4 address, an IPv6 /64."""
    if ip is None:
        return "unknown"
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def address_key(email: str) -> str:
    """An e-mail address as a counter key: the same for all spellings, and not readable in the table."""
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()[:32]
