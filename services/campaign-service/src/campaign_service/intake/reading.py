"""What a mail that came back says: a delivery status (RFC 3464), a complaint (RFC 5965), or nothing.

Nothing here trusts the mail: whose mail it speaks of is decided by our own reference, never by an address.
"""

from __future__ import annotations

import email
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Literal

from campaign_service.deliveries.classify import classify_bounce, enhanced_status
from campaign_service.deliveries.rows import DeliveryRow, Fact, clean, hash_of

Kind = Literal["bounce", "complaint", "answer", "unreadable"]

_FACTS: dict[str, Fact] = {
    "failed": "bounced",
    "delayed": "deferred",
    "delivered": "delivered",
    "relayed": "delivered",
    "expanded": "delivered",
}
_REFERENCE_HEADERS = ("X-Envid", "Message-ID", "Return-Path")
_SMTP_CODE = re.compile(r"\b([45])\d\d[ -]")
_TEXT_READ = 10_000
_MAX_PARTS = 50
_MAX_RAW = 4000
_CLOCK_SKEW = timedelta(hours=1)
_OLDEST = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Returned:
    """A mail that came back. `rows` are what it says of our mails; an answering machine says nothing."""

    kind: Kind
    rows: tuple[DeliveryRow, ...] = ()


def read(raw: bytes, sender: str, references: tuple[str, ...], now: datetime) -> Returned:
    """Read a mail. `sender` is its envelope sender, `references` what is known before looking inside."""
    message = email.message_from_bytes(raw)
    identity = str(message.get("Message-ID") or hashlib.sha256(raw).hexdigest())
    parts = list(_parts(message))
    source = _Source(parts, references, identity, _when(message, now), clean(_text(raw), _MAX_RAW))
    for part in parts:
        if part.get_content_type() == "message/feedback-report":
            return Returned("complaint", tuple(_complaint(part, source)))
        if part.get_content_type() == "message/delivery-status":
            return Returned("bounce", tuple(_statuses(part, source, now)))
    if _is_answer(message):
        return Returned("answer")
    row = _plain_bounce(message, sender, source)
    return Returned("bounce", (row,)) if row else Returned("unreadable")


@dataclass(frozen=True, slots=True)
class _Source:
    """The mail around a report."""

    parts: list[Message]
    references: tuple[str, ...]
    identity: str
    at: datetime
    raw: str


def _parts(message: Message) -> Iterator[Message]:
    for count, part in enumerate(message.walk()):
        if count >= _MAX_PARTS:
            return
        yield part


def _statuses(part: Message, source: _Source, now: datetime) -> Iterator[DeliveryRow]:
    """One row for each recipient's group of fields; the first group speaks of the whole message."""
    groups = [group for group in part.get_payload() if isinstance(group, Message)]
    if not groups:
        return
    whole, *recipients = groups
    references = _all_references(source, _field(whole, "Original-Envelope-Id"))
    for number, group in enumerate(recipients, start=1):
        fact = _FACTS.get(_field(group, "Action").lower())
        if fact is None:
            continue
        diagnostic = _value(_field(group, "Diagnostic-Code"))
        status = _status(_field(group, "Status"), diagnostic)
        at = _date(_field(group, "Last-Attempt-Date"), now) or source.at
        detail = {
            "status": status,
            "diagnostic": diagnostic,
            "mta": _value(_field(group, "Remote-MTA")),
            "reporter": _value(_field(whole, "Reporting-MTA")),
        }
        address = _address(_field(group, "Original-Recipient") or _field(group, "Final-Recipient"))
        yield _row(number, "dsn", fact, source, references, at, address, detail)


def _complaint(part: Message, source: _Source) -> Iterator[DeliveryRow]:
    payload = part.get_payload()
    fields = payload[0] if isinstance(payload, list) and isinstance(payload[0], Message) else part
    feedback = _field(fields, "Feedback-Type").lower()
    if feedback == "not-spam":
        return
    references = _all_references(
        source, _field(fields, "Original-Envelope-Id"), _field(fields, "Original-Mail-From")
    )
    detail = {"feedback_type": feedback, "reporter": _field(fields, "User-Agent")}
    address = _address(_field(fields, "Original-Rcpt-To"))
    yield _row(1, "arf", "complained", source, references, source.at, address, detail)


def _plain_bounce(message: Message, sender: str, source: _Source) -> DeliveryRow | None:
    """A bounce in words alone, as old mail servers write it: an error code in a mail from nobody."""
    if sender.strip("<>") and not _is_daemon(message):
        return None
    text = next((_body(part) for part in source.parts if part.get_content_type() == "text/plain"), "")
    line = next((x for x in text.splitlines() if enhanced_status(x) or _SMTP_CODE.search(x)), "")
    code = enhanced_status(line) or (f"{found[1]}.0.0" if (found := _SMTP_CODE.search(line)) else "")
    if not code or code.startswith("2"):
        return None
    detail = {"status": code, "diagnostic": clean(line)}
    fact: Fact = "deferred" if code.startswith("4") else "bounced"
    return _row(1, "text", fact, source, _all_references(source), source.at, "", detail)


def _row(
    number: int,
    record_type: str,
    fact: Fact,
    source: _Source,
    references: tuple[str, ...],
    at: datetime,
    address: str,
    detail: dict[str, str],
) -> DeliveryRow:
    status = detail.get("status", "")
    return DeliveryRow(
        number=number,
        record_type=record_type,
        fact=fact,
        occurred_at=at,
        address=address,
        references=references,
        job_id="",
        status=status,
        diagnostic=detail.get("diagnostic", ""),
        dedupe_key=hash_of("mail", source.identity, record_type, str(number), address, fact),
        raw=source.raw,
        bounce_class=classify_bounce("", status, detail.get("diagnostic", "")) if fact == "bounced" else None,
        detail={name: value for name, value in detail.items() if value},
    )


def _all_references(source: _Source, *named: str) -> tuple[str, ...]:
    """What may hold our reference, best first: the address, the report, the returned headers."""
    inside = [
        clean(original.get(name))
        for part in source.parts
        if (original := _original(part)) is not None
        for name in _REFERENCE_HEADERS
    ]
    return tuple(text.strip("<> ") for text in (*source.references, *named, *inside) if text)


def _original(part: Message) -> Message | None:
    """The headers of the mail that came back, when this part holds them."""
    kind, payload = part.get_content_type(), part.get_payload()
    if kind == "message/rfc822" and isinstance(payload, list) and isinstance(payload[0], Message):
        return payload[0]
    if kind == "text/rfc822-headers":
        return email.message_from_string(_body(part))
    return None


def _is_daemon(message: Message) -> bool:
    """Whether a mail server wrote this. Some mark their bounces as automatic answers (RFC 3834)."""
    sender = str(message.get("From", "")).lower()
    return "X-Failed-Recipients" in message or "mailer-daemon" in sender or "postmaster" in sender


def _is_answer(message: Message) -> bool:
    if _is_daemon(message):
        return False
    submitted = re.split(r"[;\s(]", str(message.get("Auto-Submitted", "no")).strip().lower())[0]
    precedence = str(message.get("Precedence", "")).strip().lower()
    return (
        submitted == "auto-replied"
        or precedence in ("auto_reply", "auto-reply")
        or any(name in message for name in ("X-Autoreply", "X-Autorespond"))
    )


def _status(status: str, diagnostic: str) -> str:
    """The enhanced code. `5.0.0` says nothing, so a better one in the server's own words is taken."""
    given = enhanced_status(status)
    if not given or given.endswith(".0.0"):
        return enhanced_status(diagnostic) or given
    return given


def _field(message: Message, name: str) -> str:
    return clean(" ".join(str(message.get(name, "")).split()))


def _value(typed: str) -> str:
    """The value of a `type; value` field."""
    return typed.partition(";")[2].strip() if ";" in typed else typed


def _address(typed: str) -> str:
    return _value(typed).strip("<> ").lower()


def _when(message: Message, now: datetime) -> datetime:
    return _date(_field(message, "Date"), now) or now


def _date(text: str, now: datetime) -> datetime | None:
    """The moment of a date field; None when it is absent, nonsense, in the future or older than 60 days."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(moment, now) if now - _OLDEST <= moment <= now + _CLOCK_SKEW else None


def _body(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return _text(payload if isinstance(payload, bytes) else b"")[:_TEXT_READ]


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
