"""The score of an address: 1.0, less 0.5 at a throw-away domain, 0.2 for a role, 0.3 for a slip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from campaign_service.contacts.address import ascii_domain, parse_address
from campaign_service.validation.lists import DISPOSABLE_DOMAINS, ROLE_NAMES, typo_domains

Verdict = Literal["accepts", "null_mx", "no_mail_server"]
Status = Literal["valid", "risky", "invalid", "unknown"]

_DISPOSABLE, _ROLE, _TYPO = 50, 20, 30
_VALID_FROM, _RISKY_FROM = 80, 50


@dataclass(frozen=True, slots=True)
class Finding:
    """`score` from 0 to 1; `reasons` are stable codes, a mistyped domain with the one meant after a colon."""

    status: Status
    score: float
    reasons: tuple[str, ...] = ()


def domain_of(email: str) -> str | None:
    """The domain as the DNS knows it; None for what is no address."""
    address = parse_address(email)
    return None if address.fault else ascii_domain(address.email.rpartition("@")[2])


def assess(email: str, verdict: Verdict | None, *, dns_wanted: bool = True) -> Finding:
    """What is to be said about an address. `verdict` is what DNS said of its domain, None for nothing.

    An address that would be valid is `unknown` while DNS does not answer: silence never makes one invalid.
    """
    fault = parse_address(email).fault
    domain = domain_of(email)
    if fault or domain is None:
        return Finding("invalid", 0.0, (fault or "email_domain_invalid",))
    if verdict in ("null_mx", "no_mail_server"):
        return Finding("invalid", 0.0, (verdict,))
    points, reasons = _deductions(email.rpartition("@")[0], domain)
    status: Status = "valid" if points >= _VALID_FROM else "risky" if points >= _RISKY_FROM else "invalid"
    if verdict is None and dns_wanted:
        reasons.append("dns_unavailable")
        status = "unknown" if status == "valid" else status
    return Finding(status, points / 100, tuple(reasons))


def _deductions(local: str, domain: str) -> tuple[int, list[str]]:
    points, reasons = 100, []
    if is_disposable(domain):
        points -= _DISPOSABLE
        reasons.append("disposable_domain")
    if local.lower().partition("+")[0] in ROLE_NAMES:
        points -= _ROLE
        reasons.append("role_account")
    if meant := typo_domains().get(domain):
        points -= _TYPO
        reasons.append(f"typo_domain:{meant}")
    return points, reasons


def is_disposable(domain: str) -> bool:
    """Whether a domain, or one it is below, hands out throw-away addresses."""
    labels = domain.split(".")
    return any(".".join(labels[n:]) in DISPOSABLE_DOMAINS for n in range(len(labels) - 1))
