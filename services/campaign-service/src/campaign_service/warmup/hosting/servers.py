"""Mailbox providers by the names of their mail servers."""

from __future__ import annotations

from collections.abc import Sequence

from campaign_service.warmup.plans import MailboxProvider

# Source: what the providers tell customers to write into their DNS.
_SERVERS: dict[str, MailboxProvider] = {
    "google.com": "gmail",
    "googlemail.com": "gmail",
    "outlook.com": "outlook",
    "mx.microsoft": "outlook",
    "yahoodns.net": "yahoo",
    "yahoo.com": "yahoo",
    "icloud.com": "apple",
}


def provider_of(hosts: Sequence[str]) -> MailboxProvider:
    """Of a domain's mail servers, the preferred first: the others only stand in for it."""
    labels = hosts[0].lower().rstrip(".").split(".") if hosts else []
    endings = (".".join(labels[at:]) for at in range(len(labels)))
    return next((_SERVERS[ending] for ending in endings if ending in _SERVERS), "other")
