"""IP addresses are not kept; this is what is kept of them."""

from __future__ import annotations

import hashlib
from datetime import datetime

from campaign_service.settings import settings_of
from shared.utils.crypto import derive_key
from shared.web import Runtime


def visitor_of(runtime: Runtime, ip: str, at: datetime) -> str:
    """A stand-in for an IP address: equal within a UTC day, unlinkable from day to day. '' for no address."""
    if not ip:
        return ""
    secret = settings_of(runtime).jwt_secret.get_secret_value()
    key = derive_key(secret, f"visitor {at.date().isoformat()}")
    return hashlib.blake2b(ip.encode("utf-8", "replace"), key=key, digest_size=8).hexdigest()
