"""Whom to write to about a subject, and how names, numbers and addresses are written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import phonenumbers

from campaign_service.netlife.envelopes import Row, text_of

Strategy = Literal["registered_user", "delivery_1", "delivery_2", "subject"]
PRIORITY: dict[Strategy, int] = {"registered_user": 1, "delivery_1": 2, "delivery_2": 2, "subject": 3}
_REGION = "US"
_NOT_DIGIT = re.compile(r"\D")


@dataclass(frozen=True, slots=True)
class Source:
    """One place that names somebody to write to."""

    strategy: Strategy
    name: str
    email: str
    phone: str
    """As it was typed."""

    @property
    def shown_phone(self) -> str:
        return format_phone(self.phone)

    @property
    def is_usable(self) -> bool:
        return bool(self.email or self.shown_phone)


@dataclass(frozen=True, slots=True)
class Reach:
    """Up to two numbers and two addresses, best first; `strategy` is the source of the first."""

    phones: tuple[str, ...]
    emails: tuple[str, ...]
    parent_name: str
    strategy: Strategy | None
    mobile: str
    """The best number that is a real one, as +15551234567: what a message can be sent to."""


def format_phone(text: str) -> str:
    """`+1 (AAA) BBB-CCCC` for 10 digits, or 11 after a 1; nothing for fewer; else +1 and the last 10."""
    digits = _NOT_DIGIT.sub("", text)
    if len(digits) < 10:
        return ""
    if len(digits) == 11 and digits[0] == "1":
        digits = digits[1:]
    if len(digits) == 10:
        return f"+1 ({digits[:3]}) {digits[3:6]}-{digits[6:]}"
    return f"+1 {digits[-10:]}"


def international(text: str) -> str:
    """E.164 of a valid number, read as one of the United States unless it says otherwise; else empty.

    The portals' own format makes an American number of every other one; messages must not follow it there.
    """
    try:
        number = phonenumbers.parse(text, _REGION)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def format_email(text: str) -> str:
    """In lower case; empty for what has no @."""
    return text.strip().lower() if "@" in text else ""


def sources_of(subject: Row, registered_email: str, user: Row | None) -> list[Source]:
    """In the order of preference: registered user, first and second delivery, the subject's own fields."""
    found = []
    if user is not None or registered_email:
        row = user or {}
        email = format_email(text_of(row, "email_address", "email")) or registered_email
        name, phone = text_of(row, "name"), text_of(row, "phone_number", "mobile_phone")
        found.append(Source("registered_user", name, email, phone))
    deliveries: tuple[Strategy, ...] = ("delivery_1", "delivery_2")
    for strategy in deliveries:
        row = subject.get(strategy) or {}
        if isinstance(row, dict) and row:
            email = format_email(text_of(row, "email_address", "email"))
            phone = text_of(row, "mobile_phone", "phone_number")
            found.append(Source(strategy, text_of(row, "name"), email, phone))
    email, phone = format_email(text_of(subject, "email")), text_of(subject, "phone_number")
    return [*found, Source("subject", text_of(subject, "parent_name"), email, phone)]


def reach(sources: Iterable[Source], student: str) -> Reach:
    """The best two numbers and addresses of the sources, and the parent's name."""
    known = list(sources)
    usable = [source for source in known if source.is_usable]
    phones = dict.fromkeys(phone for source in usable if (phone := source.shown_phone))
    emails = dict.fromkeys(source.email for source in usable if source.email)
    return Reach(
        phones=tuple(phones)[:2],
        emails=tuple(emails)[:2],
        parent_name=_parent_name(known, student),
        strategy=usable[0].strategy if usable else None,
        mobile=next((number for source in usable if (number := international(source.phone))), ""),
    )


def _parent_name(sources: Iterable[Source], student: str) -> str:
    """The registered user's name, else the first other one that is not the student's own."""
    for source in sources:
        is_students = source.name.casefold() == student.casefold()
        if source.name and (source.strategy == "registered_user" or not is_students):
            return source.name
    return ""


def student_name(subject: Row) -> tuple[str, str]:
    """First and last name; a single `name` is split at its last blank."""
    first, last = text_of(subject, "first_name"), text_of(subject, "last_name")
    if not first and not last:
        first, _, last = text_of(subject, "name").rpartition(" ")
        return (first, last) if first else (last, "")
    return first, last
