"""MailWizz's open and click webhooks."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from campaign_service.deliveries.mailwizz import UnreadablePayloadError, parse_payload

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def payload(kind: str = "open", **event: str) -> dict[str, Any]:
    return {
        "event": {"type": kind, "ip_address": "192.0.2.7", "user_agent": "Mozilla/5.0 (X11)", **event},
        "timestamp": 1770000000,
        "subscriber": {"attributes": {"subscriber_uid": "s1", "email": "Anna@Example.com"}},
        "campaign": {"attributes": {"campaign_uid": "gz674"}},
    }


def test_an_open_is_read() -> None:
    (event,), issues = parse_payload(json.dumps(payload(date_added="2018-12-05 07:24:31")), NOW)
    assert (event.kind, event.address, event.campaign_ref, event.ip) == (
        "open",
        "anna@example.com",
        "gz674",
        "192.0.2.7",
    )
    assert event.occurred_at == datetime.fromtimestamp(1770000000, UTC)
    assert issues == []


@pytest.mark.parametrize("place", ["url", "destination", "top", "none"])
def test_the_clicked_url_is_found_wherever_it_stands(place: str) -> None:
    url = "https://example.com/a"
    item = payload("click", **({place: url} if place in {"url", "destination"} else {}))
    if place == "top":
        item["url"] = url
    (event,), _ = parse_payload(json.dumps(item), NOW)
    assert event.url == ("" if place == "none" else url)


def test_the_key_is_the_same_for_the_same_event_only() -> None:
    same = [parse_payload(json.dumps(payload()), NOW)[0][0].dedupe_key for _ in range(2)]
    other = parse_payload(json.dumps(payload("click")), NOW)[0][0].dedupe_key
    assert same[0] == same[1] != other


def test_the_older_flat_payload_is_read() -> None:
    flat = {
        "event": "click",
        "campaign_uid": "c",
        "email": "a@example.com",
        "timestamp": "2026-02-01T10:00:00Z",
        "url": "u",
    }
    (event,), _ = parse_payload(json.dumps([flat]), NOW)
    assert (event.kind, event.campaign_ref, event.url) == ("click", "c", "u")


def test_other_events_and_shapes_are_rejected_with_a_reason() -> None:
    _, issues = parse_payload(json.dumps([payload("subscribe"), 5, {**payload(), "timestamp": "soon"}]), NOW)
    assert [issue.reason for issue in issues] == [
        "unknown_event_type",
        "unknown_event_type",
        "unreadable_time",
    ]


def test_broken_json_is_refused() -> None:
    with pytest.raises(UnreadablePayloadError):
        parse_payload("{", NOW)
