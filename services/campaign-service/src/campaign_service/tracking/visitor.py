"""IP addresses are not kept; this is what is kept of them."""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import datetime

from campaign_service.settings import settings_of
from shared.utils.crypto import derive_key
from shared.web import Runtime

# Addresses behind which anybody may be: a proxy of our own, a container network, a test on this machine.
_INNER = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "100.64.0.0/10",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)


def visitor_of(runtime: Runtime, ip: str, at: datetime) -> str:
    """A stand-in for an IP address: equal within a UTC day, unlinkable from day to day.

    '' for no address, and for inner ones, which say nothing about who it is.
    """
    if not ip or _is_inner(ip):
        return ""
    secret = settings_of(runtime).jwt_secret.get_secret_value()
    key = derive_key(secret, f"visitor {at.date().isoformat()}")
    return hashlib.blake2b(ip.encode("utf-8", "replace"), key=key, digest_size=8).hexdigest()


def _is_inner(ip: str) -> bool:
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in _INNER)
