"""Phone numbers in E.164, and what a number says about its place."""

from __future__ import annotations

from functools import lru_cache

import phonenumbers
from phonenumbers import timezone

_UNKNOWN_ZONE = "Etc/Unknown"
_MEMORY = 50_000


@lru_cache(maxsize=_MEMORY)
def e164(text: str, region: str | None = None) -> str | None:
    """`0612 34 56 78` with region FR → `+33612345678`; None for what cannot be a number.

    Numbers that are well-formed but not (yet) given out pass: numbering plans change faster than tables.
    """
    value = text.strip()
    value = f"+{value[2:].lstrip()}" if value.startswith("00") else value
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number) or number.extension:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(maxsize=_MEMORY)
def country_of(number: str) -> str | None:
    """Two-letter country of an E.164 number; None where the prefix alone cannot tell."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
    found: str | None = phonenumbers.region_code_for_number(parsed)
    if found is None and parsed.country_code is not None:
        found = phonenumbers.region_code_for_country_code(parsed.country_code)
    return found


@lru_cache(maxsize=_MEMORY)
def zone_of(number: str) -> str | None:
    """The time zone of a number, when its place has only one."""
    try:
        zones = timezone.time_zones_for_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return None
    return zones[0] if len(zones) == 1 and zones[0] != _UNKNOWN_ZONE else None
