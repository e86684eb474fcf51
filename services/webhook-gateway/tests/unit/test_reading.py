"""What each sender's body must be, and what tells a repeat."""

from __future__ import annotations

import hashlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook_gateway.ingest.endpoint import parse_address
from webhook_gateway.ingest.reading import MalformedWebhookError, Raw, Reading, dedupe_key, read
from webhook_gateway.ingest.service import kept_headers
from webhook_gateway.sources.schemas import SignatureSettings, SourceIn

HEADER = "type,timeLogged,orig,rcpt,dsnStatus\r\n"
DELIVERED = "d,2026-02-08 21:54:05+0000,b@bounce.example.com,a@example.com,2.0.0 (success)\r\n"
MAILWIZZ = {
    "event": {"type": "click", "url": "https://example.com/x", "ip_address": "192.0.2.1"},
    "timestamp": 1770000000,
    "subscriber": {"attributes": {"subscriber_uid": "s1", "email": "a@example.com"}},
    "campaign": {"attributes": {"campaign_uid": "c1"}},
}


def raw(body: object, content_type: str = "application/json", **headers: str) -> Raw:
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else orjson.dumps(body)
    return Raw(data, content_type, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("kind", ["d", "b", "t", "tq", "r", "f", "rb", "rs"])
@pytest.mark.parametrize("header", [HEADER, ""])
def test_all_record_types_pass_with_and_without_a_header_line(kind: str, header: str) -> None:
    body = header + DELIVERED.replace("d,", f"{kind},", 1) * 3

    assert read("powermta", raw(body, "text/csv"), None).records == 3


def test_powermta_takes_marks_blank_lines_and_json() -> None:
    assert read("powermta", raw("\ufeff" + HEADER + "\r\n" + DELIVERED, "text/csv"), None).records == 1
    assert read("powermta", raw(HEADER, "text/csv"), None).records == 0
    assert read("powermta", raw([{"type": "d"}, {"Type": "b"}]), None).records == 2
    assert read("powermta", raw({"type": "d"}), None).records == 1
    assert read("powermta", raw(HEADER + "zz" + DELIVERED[1:], "text/csv"), None).records == 1


def test_powermta_keeps_a_batch_with_foreign_bytes() -> None:
    body = (HEADER + DELIVERED).encode().replace(b"success", b"succ\xe9s")

    assert read("powermta", raw(body, "text/csv"), None).records == 1


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (HEADER + "d,1\r\n" + "a,b,c,d,e,f\r\n", "line 3"),
        (HEADER + 'd,"unclosed', "line 2"),
        ("hello world\r\n", "line 1"),
        (DELIVERED + "x,1,2\r\n", "line 2"),
        ('[{"type":"d"},{"rcpt":"a"}]', "[1].type"),
        ('[{"type":"d"},7]', "[1]"),
        ('[{"type":"d"}', "body"),
        ("", "body"),
        ("  \r\n", "body"),
    ],
)
def test_malformed_powermta_names_the_place(body: str, place: str) -> None:
    with pytest.raises(MalformedWebhookError) as refused:
        read("powermta", raw(body, "text/csv"), None)

    assert refused.value.field == place


def test_mailwizz_repeats_have_one_key_and_other_events_another() -> None:
    first = read("mailwizz", raw(MAILWIZZ), None)
    reordered = read("mailwizz", raw(dict(reversed(MAILWIZZ.items()))), None)
    later = read("mailwizz", raw({**MAILWIZZ, "timestamp": 1770000001}), None)

    assert first.key == reordered.key
    assert first.key != later.key


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b'"text"', "body"),
        (b"\xff\xfe", "body"),
        (b"{}", "event.type"),
        (b'{"event":{"type":3}}', "event.type"),
        (b'{"event":{"type":"open"}}', "subscriber.attributes"),
        (b"[" * 5000, "body"),
    ],
)
def test_malformed_mailwizz_is_refused(body: bytes, field: str) -> None:
    with pytest.raises(MalformedWebhookError) as refused:
        read("mailwizz", raw(body), None)

    assert refused.value.field == field


@pytest.mark.parametrize("event_id", [None, "", "  ", True, 1.5, [], {}])
def test_make_needs_an_event_id(event_id: object) -> None:
    with pytest.raises(MalformedWebhookError, match="Missing event_id"):
        read("make", raw({"event_id": event_id}), None)


def test_generic_takes_its_id_from_a_header_or_the_configured_place() -> None:
    body = {"event_id": "e1", "deep": [{"id/x": 7}]}

    assert read("generic", raw(body), None).key == "e1"
    assert read("generic", raw(body), "/deep/0/id~1x").key == "7"
    assert read("generic", raw(body, webhook_id="h1"), "/event_id").key == "h1"
    assert read("generic", raw(body), "/absent/0").key is None
    assert read("generic", raw("free text", "text/plain"), None).key is None
    assert read("stripe", raw({"id": "evt_1"}, stripe_signature="x"), None).key == "evt_1"


def test_make_events_of_one_id_differ_by_what_happened() -> None:
    created = read("make", raw({"event_id": "5", "event_type": "order.created"}), None)
    completed = read("make", raw({"event_id": "5", "event_type": "order.completed"}), None)

    assert (created.label, completed.label) == ("5", "5")
    assert created.key != completed.key
    assert read("make", raw({"event_id": 5}), None).key == "5"


def test_fienta_must_name_its_order_and_only_an_equal_body_is_a_repeat() -> None:
    order = {"order": {"id": 5, "status": "COMPLETED"}}
    ticket = {"ticket": {"code": "T1", "status": "USED", "validated_at": "x", "order": {"id": 5}}}

    assert [read("fienta", raw(body), None).key for body in (order, ticket)] == [None, None]
    broken: tuple[dict[str, object], ...] = ({"order": {}}, {"ticket": {"code": "T1"}}, {})
    for body in broken:
        with pytest.raises(MalformedWebhookError):
            read("fienta", raw(body), None)


def test_twilio_states_of_one_message_are_different_events() -> None:
    form = "application/x-www-form-urlencoded"

    assert read("twilio", raw("MessageSid=SM1&MessageStatus=sent", form), None).key == "SM1|sent"
    assert read("twilio", raw("MessageSid=SM1&MessageStatus=delivered", form), None).key == "SM1|delivered"


def test_key_is_the_body_when_the_sender_has_no_id() -> None:
    digest = hashlib.sha256(b"x").digest()

    assert dedupe_key("generic", Reading("x"), digest) == digest
    assert dedupe_key("generic", Reading("x", key="1"), digest) != dedupe_key(
        "make", Reading("x", key="1"), digest
    )


@pytest.mark.parametrize(
    "kind", ["powermta", "mailwizz", "generic", "test", "make", "fienta", "twilio", "stripe"]
)
@given(body=st.binary(max_size=300), content_type=st.sampled_from(["", "application/json", "text/csv", "x"]))
def test_any_body_is_read_or_refused(kind: str, body: bytes, content_type: str) -> None:
    try:
        reading = read(kind, raw(body, content_type), "/a/0")
    except MalformedWebhookError:
        return
    assert len(dedupe_key(kind, reading, b"0" * 32)) == 32


def test_credentials_are_blanked_in_the_history() -> None:
    kept = kept_headers(raw("x", authorization="Bearer 1", x_webhook_token="2", cookie="3", x_id="4"))

    assert kept == {
        "authorization": "[redacted]",
        "x-webhook-token": "[redacted]",
        "cookie": "[redacted]",
        "x-id": "4",
    }


def test_addresses_name_types_and_tokens() -> None:
    assert parse_address("/hooks/abc").token == "abc"
    assert parse_address("/api/v2/webhooks/powermta/abc").types == frozenset({"powermta"})
    assert parse_address("/api/v2/webhooks/powermta").token is None
    assert parse_address("/integrations/make/webhook").header == b"x-make-token"


@pytest.mark.parametrize("template", ["{body}", "{timestamp}.{body}", "v0:{timestamp}:{body}"])
def test_signature_templates_hold_the_body_once(template: str) -> None:
    timestamp = "x-time" if "timestamp" in template else None

    assert SignatureSettings(header="X-Sig", template=template, timestamp_header=timestamp).header == "x-sig"


@pytest.mark.parametrize("template", ["", "{body}{body}", "{timestamp}", "{0}{body}", "{body.x}"])
def test_other_templates_are_refused(template: str) -> None:
    with pytest.raises(ValueError, match="template"):
        SignatureSettings(header="X-Sig", template=template)


def test_a_signed_source_needs_the_secret_of_its_sender() -> None:
    with pytest.raises(ValueError, match="signing_secret"):
        SourceIn(name="s", type="stripe")
    with pytest.raises(ValueError, match="not signed"):
        SourceIn(name="s", type="powermta", signing_secret="long-enough")
