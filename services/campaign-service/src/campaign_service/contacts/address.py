"""E-mail address syntax for bulk use: no network, two regular expressions and a cache per domain.

Accepted is what mail systems really deliver: an unquoted local part (RFC 5321 dot-string, with the letters of
RFC 6531) and a domain of at least two labels. Internationalised domains are converted to their ASCII form.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Literal, NamedTuple

AddressFault = Literal["email_missing", "email_invalid", "email_domain_invalid", "email_too_long"]

FAULT_TEXT: dict[AddressFault, str] = {
    "email_missing": "no e-mail address",
    "email_invalid": "not an e-mail address",
    "email_domain_invalid": "the part after @ is not a domain name",
    "email_too_long": "longer than an e-mail address may be",
}

MAX_LENGTH = 254
MAX_LOCAL = 64

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~-"
_LOCAL = re.compile(rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*")
_LOCAL_UTF8 = re.compile(rf"[\u00a1-\U0010ffff{_ATEXT}]+(?:\.[\u00a1-\U0010ffff{_ATEXT}]+)*")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?:[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9]))")
_DISPLAY_NAME = re.compile(r"[^<>]*<\s*([^<>\s]+)\s*>")
# What spreadsheets and mail programs leave around an address: blanks, also invisible ones, and quotes.
_WRAPPING = " \t\r\n\u00a0\u200b\u200c\u200d\u2060\ufeff\"';,<>"


class Address(NamedTuple):
    """A deliverable address as written (`email`) or, when `fault` is set, the reason why it is not one."""

    email: str
    fault: AddressFault | None = None


@lru_cache(maxsize=65_536)
def ascii_domain(domain: str) -> str | None:
    """The lower-cased ASCII form of a domain name, or None when it is not one."""
    name = domain.lower()
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    return name if len(name) <= 253 and _DOMAIN.fullmatch(name) else None


def parse_address(text: str) -> Address:
    """Check one address; blanks around it, `mailto:` and a name (`Anna <a@b.test>`) are taken off."""
    email = text.strip(_WRAPPING)
    if "<" in email and (named := _DISPLAY_NAME.fullmatch(text.strip())):
        email = named[1]
    if email[:7].lower() == "mailto:":
        email = email[7:]
    if not email:
        return Address(email, "email_missing")
    local, at, domain = email.rpartition("@")
    if not at or not local:
        return Address(email, "email_invalid")
    name = ascii_domain(domain)
    if name is None:
        return Address(email, "email_domain_invalid")
    if not local.isascii():
        # lower case as it is stored, because databases disagree on how to make it of such letters
        local = unicodedata.normalize("NFC", local.lower())
        if _LOCAL_UTF8.fullmatch(local) is None or not local.isprintable():
            return Address(email, "email_invalid")
    elif _LOCAL.fullmatch(local) is None:
        return Address(email, "email_invalid")
    octets = len(local.encode())
    if octets > MAX_LOCAL or octets + 1 + len(name) > MAX_LENGTH:
        return Address(email, "email_too_long")
    return Address(f"{local}@{domain}" if domain.isascii() else f"{local}@{name}")
