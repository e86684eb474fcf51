"""MailWizz campaign webhooks: opens and clicks, one JSON object per request."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from campaign_service.deliveries.rows import RowIssue, clean, hash_of, parse_time

MailWizzKind = Literal["open", "click"]
_KINDS: dict[str, MailWizzKind] = {"open": "open", "opened": "open", "click": "click", "clicked": "click"}
_MAX_RAW = 4000


@dataclass(frozen=True, slots=True)
class MailWizzEvent:
    """An open or a click. `campaign_ref` is MailWizz's uid: our id or a campaign's `external_ref`."""

    number: int
    kind: MailWizzKind
    occurred_at: datetime
    address: str
    campaign_ref: str
    reference: str
    url: str
    user_agent: str
    ip: str
    dedupe_key: bytes
    raw: str


class UnreadablePayloadError(ValueError):
    """The body is not JSON."""


def parse_payload(body: str, now: datetime) -> tuple[list[MailWizzEvent], list[RowIssue]]:
    """Events of a body: one object, or an array of them. `now` is when the webhook came in."""
    try:
        parsed = json.loads(body.lstrip("\ufeff \t\r\n"))
    except (ValueError, RecursionError) as error:
        raise UnreadablePayloadError("the body is not valid JSON") from error
    events: list[MailWizzEvent] = []
    issues: list[RowIssue] = []
    for number, item in enumerate(parsed if isinstance(parsed, list) else [parsed], start=1):
        result = _read(number, item if isinstance(item, dict) else {}, now)
        if isinstance(result, MailWizzEvent):
            events.append(result)
        else:
            issues.append(result)
    return events, issues


def _read(number: int, item: dict[str, Any], now: datetime) -> MailWizzEvent | RowIssue:
    event = _event_of(item)
    word = clean(event.get("type")).lower()
    address = _address(item)
    raw = clean(json.dumps(item, ensure_ascii=False), _MAX_RAW)
    kind = _KINDS.get(word)
    if kind is None:
        return _issue(number, "unknown_event_type", word, address, raw)
    try:
        # The event's own date has no zone; the epoch beside it is the truth.
        moment = parse_time(clean(item.get("timestamp")) or clean(event.get("date_added")), now)
    except (ValueError, OverflowError, OSError):
        return _issue(number, "unreadable_time", word, address, raw)
    return _build(number, kind, moment, item, address, raw)


def _build(
    number: int, kind: MailWizzKind, moment: datetime, item: dict[str, Any], address: str, raw: str
) -> MailWizzEvent:
    event = _event_of(item)
    campaign = clean(_attributes(item, "campaign").get("campaign_uid") or item.get("campaign_uid"))
    subscriber = clean(_attributes(item, "subscriber").get("subscriber_uid") or item.get("subscriber_uid"))
    url = clean(event.get("url") or event.get("destination") or item.get("url"), 4000)
    ip = clean(event.get("ip_address"))
    return MailWizzEvent(
        number=number,
        kind=kind,
        occurred_at=moment,
        address=address,
        campaign_ref=campaign,
        reference=_reference(item),
        url=url,
        user_agent=clean(event.get("user_agent")),
        ip=ip,
        # The address joins the key because older payloads come without a subscriber uid.
        dedupe_key=hash_of(
            "mailwizz", kind, campaign, subscriber or address, repr(moment.timestamp()), url, ip
        ),
        raw=raw,
    )


def _event_of(item: dict[str, Any]) -> dict[str, Any]:
    """The event part; older payloads name the event in a string and keep the rest beside it."""
    event = item.get("event")
    if isinstance(event, dict):
        return event
    return {
        "type": event,
        "ip_address": item.get("ip_address"),
        "user_agent": item.get("user_agent"),
        "date_added": item.get("date_added"),
    }


def _attributes(item: dict[str, Any], part: str) -> dict[str, Any]:
    section = item.get(part)
    attributes = section.get("attributes") if isinstance(section, dict) else None
    return attributes if isinstance(attributes, dict) else {}


def _fields(item: dict[str, Any]) -> dict[str, Any]:
    subscriber = item.get("subscriber")
    fields = subscriber.get("fields") if isinstance(subscriber, dict) else None
    return fields if isinstance(fields, dict) else {}


def _address(item: dict[str, Any]) -> str:
    found = _attributes(item, "subscriber").get("email") or _fields(item).get("EMAIL") or item.get("email")
    return clean(found, 320).lower()


def _reference(item: dict[str, Any]) -> str:
    fields = _fields(item)
    return clean(fields.get("ENVID") or fields.get("TIDINGS_REF"))


def _issue(number: int, reason: str, word: str, address: str, raw: str) -> RowIssue:
    return RowIssue(
        number=number,
        kind="rejected",
        reason=reason,
        record_type=word[:20],
        address=address,
        raw=raw,
        dedupe_key=hash_of("mailwizz", "rejected", raw),
    )
