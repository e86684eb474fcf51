"""What the DNS says about a sender: SPF of the return path, DKIM of the signing domain, DMARC of the From."""

from __future__ import annotations

from campaign_service.dkim.keys import tags
from campaign_service.dkim.lookup import TextRecords
from campaign_service.dkim.schemas import DomainOut
from campaign_service.dkim.service import domains_above

from .schemas import Check, error, ok, unknown, warning

_NO_ANSWER = "The DNS could not be asked"
_FREE = frozenset(
    ("gmail.com", "googlemail.com", "yahoo.com", "outlook.com", "hotmail.com", "live.com", "aol.com")
)


async def check_spf(dns: TextRecords, domain: str) -> Check:
    """RFC 7208: one record, of the domain of the return path."""
    records = await dns.of(domain)
    if records is None:
        return unknown("spf", _NO_ANSWER)
    found = [record for record in records if record.lower().split(" ")[0] == "v=spf1"]
    if not found:
        advice = f"Publish at {domain} a TXT record such as v=spf1 ip4:<address of the mail server> -all"
        return warning("spf", f"{domain} has no SPF record", advice)
    if len(found) > 1:
        return error("spf", f"{domain} has {len(found)} SPF records", "Keep one: several count as none")
    if "+all" in found[0].lower().split() or "all" in found[0].lower().split():
        return error("spf", "The SPF record lets everybody send", "End it with -all or ~all")
    return ok("spf", found[0])


async def check_dkim(dns: TextRecords, domain: str, signing: DomainOut | None) -> Check:
    if signing is None or signing.sign == "never":
        advice = "Add it to the sending domains and publish the records shown there"
        return warning("dkim", f"Mails from {domain} are not signed", advice)
    if not signing.signs:
        advice = "Publish the records of the sending domain and have them verified"
        return warning("dkim", f"The keys of {signing.domain} are not verified yet", advice)
    newest = {
        key.algorithm: key for key in reversed(signing.keys) if key.verified_at or signing.sign == "always"
    }
    for key in newest.values():
        records = await dns.of(key.record.name)
        if records is None:
            return unknown("dkim", _NO_ANSWER)
        if key.record.value.partition("p=")[2] not in {tags(record).get("p") for record in records}:
            return error(
                "dkim", f"{key.record.name} does not publish the key", "Publish the record shown there"
            )
    return ok("dkim", f"Signed by {signing.domain}, with {' and '.join(sorted(newest))}")


async def check_dmarc(dns: TextRecords, domain: str) -> Check:
    """RFC 7489 6.6.3: the record of the domain, else of one above it."""
    for name in domains_above(domain):
        records = await dns.of(f"_dmarc.{name}")
        if records is None:
            return unknown("dmarc", _NO_ANSWER)
        found = [record for record in records if tags(record).get("v") == "DMARC1"]
        if len(found) > 1:
            return error("dmarc", f"_dmarc.{name} has {len(found)} records", "Keep one")
        if found:
            return _policy(found[0])
    advice = f"Publish at _dmarc.{domain} a TXT record: v=DMARC1; p=none; rua=mailto:postmaster@{domain}"
    return warning("dmarc", f"{domain} has no DMARC record", advice)


def _policy(record: str) -> Check:
    if tags(record).get("p") not in ("none", "quarantine", "reject"):
        return error(
            "dmarc", f"The DMARC record has no policy: {record}", "Give p=none, quarantine or reject"
        )
    return ok("dmarc", record)


def check_alignment(domain: str, mail_domain: str, signing: DomainOut | None) -> Check:
    """DMARC passes when the From's domain is the signing one or the return path's, or below it."""
    if domain in _FREE:
        advice = "Send from a domain of your own"
        return error("from_domain", f"Nobody but {domain} may send as {domain}", advice)
    above = domains_above(domain)
    if signing is not None and signing.signs:
        return ok("from_domain", f"The signature is of {signing.domain}, as the sender is")
    if mail_domain in above or domain in domains_above(mail_domain):
        return ok("from_domain", "The return path is of the sender's domain")
    advice = "Sign with a key of the sender's domain"
    return warning("from_domain", f"Neither signature nor return path are of {domain}: DMARC fails", advice)
