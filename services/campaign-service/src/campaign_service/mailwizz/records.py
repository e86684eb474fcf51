"""MailWizz's records as rows of deliveries."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from campaign_service.deliveries.classify import classify_bounce, enhanced_status
from campaign_service.deliveries.rows import BounceClass, DeliveryRow, Fact, clean, hash_of

from .client import Stream

_CLASSES: dict[str, BounceClass] = {"hard": "hard", "soft": "soft", "internal": "other"}
_FAILED = frozenset({"error", "fatal-error", "giveup"})
_MAX_RAW = 4000


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a list: `key` is the same whenever it is read, until it says something new."""

    stream: Stream
    address: str
    key: bytes
    raw: dict[str, Any]

    @property
    def is_sent(self) -> bool:
        """Whether it says that a mail server has taken the mail."""
        return self.stream == "delivery-logs" and clean(self.raw.get("status")).lower() == "success"


def read(stream: Stream, campaign_uid: str, raw: dict[str, Any]) -> Record | None:
    """None for a record that names nobody."""
    subscriber = raw.get("subscriber")
    person: dict[str, Any] = subscriber if isinstance(subscriber, dict) else {}
    address = clean(person.get("email"), 320).lower()
    uid = clean(person.get("subscriber_uid")) or address
    if not address:
        return None
    told = {
        "delivery-logs": ("status", "delivery_confirmed", "email_message_id"),
        "bounces": ("bounce_type", "message"),
        "complaints": (),
        "unsubscribes": (),
    }[stream]
    key = hash_of("mailwizz-poll", stream, campaign_uid, uid, *(clean(raw.get(name)) for name in told))
    return Record(stream, address, key, raw)


def row_of(record: Record, number: int, campaign_id: UUID, now: datetime) -> DeliveryRow | None:
    """What a record says about a mail; None when that is nothing. `now` stands in for the date they lack."""
    said = _SAID[record.stream](record.raw)
    if said is None:
        return None
    fact, bounce_class = said
    message = clean(record.raw.get("message"))
    return DeliveryRow(
        number=number,
        record_type=record.stream,
        fact=fact,
        occurred_at=now,
        address=record.address,
        references=(clean(record.raw.get("email_message_id")),),
        job_id=str(campaign_id),
        status=enhanced_status(message),
        diagnostic=message,
        dedupe_key=record.key,
        raw=clean(json.dumps(record.raw, ensure_ascii=False), _MAX_RAW),
        bounce_class=bounce_class,
        detail={"feedback_type": "abuse"} if fact == "complained" else {},
    )


Said = tuple[Fact, BounceClass | None] | None


def _delivery(raw: dict[str, Any]) -> Said:
    """`success` alone says that a server took it, which we knew; confirmed it is a delivery."""
    status = clean(raw.get("status")).lower()
    if status == "success":
        return ("delivered", None) if clean(raw.get("delivery_confirmed")).lower() == "yes" else None
    if status == "temporary-error":
        return "deferred", None
    if status in _FAILED:
        message = clean(raw.get("message"))
        return "bounced", classify_bounce("", message, message)
    return None


def _bounce(raw: dict[str, Any]) -> Said:
    return "bounced", _CLASSES.get(clean(raw.get("bounce_type")).lower(), "other")


def _complaint(raw: dict[str, Any]) -> Said:
    return "complained", None


def _unsubscribe(raw: dict[str, Any]) -> Said:
    return None


_SAID: dict[Stream, Callable[[dict[str, Any]], Said]] = {
    "delivery-logs": _delivery,
    "bounces": _bounce,
    "complaints": _complaint,
    "unsubscribes": _unsubscribe,
}
