"""Segments, numbers, quiet hours, keywords and what a provider's answers mean."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_service.sms import keywords, outcomes, phones, quiet, segments
from campaign_service.sms.links.rewriting import rewritten, urls_in
from campaign_service.sms.twilio import NotSent, Outcome, Refused, Taken, Unknown
from tests.simulators.twilio import signature

PARIS = ZoneInfo("Europe/Paris")
NIGHT = quiet.QuietHours(time(21), time(8))


@pytest.mark.parametrize(
    ("text", "encoding", "units", "parts"),
    [
        ("", "GSM-7", 0, 0),
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("€" * 80, "GSM-7", 160, 1),
        ("€" * 81, "GSM-7", 162, 2),
        ("àéÉ£ñß", "GSM-7", 6, 1),
        ("ê" * 70, "UCS-2", 70, 1),
        ("ê" * 71, "UCS-2", 71, 2),
        ("ê" * 134, "UCS-2", 134, 2),
        ("ê" * 135, "UCS-2", 135, 3),
        ("😀" * 35, "UCS-2", 70, 1),
        ("😀" * 36, "UCS-2", 72, 2),
    ],
)
def test_counts_units_and_parts(text: str, encoding: str, units: int, parts: int) -> None:
    counted = segments.count(text)
    assert (counted.encoding, counted.units, counted.segments) == (encoding, units, parts)


def test_no_part_tears_a_character_apart() -> None:
    # 152 septets and an escape: the second half of € would be the 154th of a part of 153
    assert segments.count("a" * 152 + "€" + "a" * 152).segments == 3
    assert segments.count("ê" * 66 + "😀" + "ê" * 66).segments == 3


def test_names_the_characters_that_make_a_text_dear() -> None:
    assert segments.count("Grüße – ok ’").odd == ("–", "’")


@given(st.text(max_size=400), st.text(max_size=50))
def test_a_longer_text_never_has_fewer_parts(text: str, more: str) -> None:
    assert segments.count(text).segments <= segments.count(text + more).segments


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("+1 (202) 555-0143", None, "+12025550143"),
        ("0033 6 12 34 56 78", "US", "+33612345678"),
        ("202-555-0143", "US", "+12025550143"),
        ("202-555-0143", None, None),
        ("12", "US", None),
        ("call me", "US", None),
        ("+1 202 555 0143 ext. 5", "US", None),
    ],
)
def test_reads_numbers_as_their_country_writes_them(
    text: str, region: str | None, number: str | None
) -> None:
    assert phones.e164(text, region) == number


def test_a_number_tells_its_country_and_zone() -> None:
    assert (phones.country_of("+33612345678"), phones.zone_of("+33612345678")) == ("FR", "Europe/Paris")
    assert phones.country_of("not a number") is None


@pytest.mark.parametrize(
    ("utc", "until"),
    [
        ("2026-03-10T12:00", None),
        ("2026-03-10T19:59", None),
        ("2026-03-10T20:00", "2026-03-11T07:00"),
        ("2026-03-11T06:59", "2026-03-11T07:00"),
        ("2026-03-11T07:00", None),
        # the night summer time begins: eight o'clock comes an hour earlier
        ("2026-03-28T21:00", "2026-03-29T06:00"),
        # and ends: an hour later
        ("2026-10-24T20:00", "2026-10-25T07:00"),
    ],
)
def test_quiet_hours_are_those_of_the_place(utc: str, until: str | None) -> None:
    now = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    expected = datetime.fromisoformat(until).replace(tzinfo=UTC) if until else None
    assert quiet.wait_until(now, NIGHT, PARIS) == expected


def test_quiet_hours_within_a_day() -> None:
    noon = quiet.QuietHours(time(12), time(14))
    at = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
    assert quiet.wait_until(at, noon, ZoneInfo("UTC")) == datetime(2026, 3, 10, 14, tzinfo=UTC)
    assert quiet.wait_until(at, None, ZoneInfo("UTC")) is None


def test_an_unknown_zone_falls_back() -> None:
    assert quiet.zone("Mars/Olympus", None, "Europe/Paris").key == "Europe/Paris"
    assert quiet.zone(None, "../etc/passwd").key == "UTC"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("STOP", ("stop", "en")),
        (" stop. ", ("stop", "en")),
        ("Stop all", ("stop", "en")),
        ("Arrêt!", ("stop", "fr")),
        ("ARRÊTER", ("stop", "fr")),
        ("baja", ("stop", "es")),
        ("Abmelden", ("stop", "de")),
        ("START", ("start", "en")),
        ("alta", ("start", "es")),
        ("Aide", ("help", "fr")),
        ("hilfe?", ("help", "de")),
        ("please stop calling", None),
        ("Stop please!", ("stop", "en")),
        ("STOP SMS svp", ("stop", "en")),
        ("Stop 36111", ("stop", "en")),
        ("Arrêt, s'il vous plaît", ("stop", "fr")),
        ("stop STOP stop", ("stop", "en")),
        ("stop by tomorrow", None),
        ("End of the week?", None),
        ("", None),
        ("👍", None),
    ],
)
def test_keywords_in_four_languages(body: str, expected: tuple[str, str] | None) -> None:
    assert keywords.meaning(body) == expected


def test_answers_fall_back_to_english_and_fit_one_segment() -> None:
    assert keywords.answer("stop", "fr-CA").startswith("Vous")
    assert keywords.answer("stop", "nl") == keywords.answer("stop", "en")
    assert keywords.answer("help", "fr", "Call 555") == "Call 555"
    for keyword in ("stop", "start", "help"):
        for language in ("en", "fr", "es", "de"):
            assert segments.count(keywords.answer(keyword, language)).segments <= 2


@pytest.mark.parametrize(
    ("outcome", "attempts", "status", "retry"),
    [
        (Taken("SM1", "queued", None), 1, "sent", None),
        (Refused("20429", "slow down", passing=True), 1, "queued", 5.0),
        (Refused("20429", "slow down", passing=True), 6, "failed", None),
        (Refused("21211", "no number"), 1, "failed", None),
        (NotSent("refused"), 2, "queued", 30.0),
        (NotSent("refused"), 6, "failed", None),
        (Unknown("timed out"), 1, "ambiguous", None),
    ],
)
def test_what_an_attempt_comes_to(outcome: Outcome, attempts: int, status: str, retry: float | None) -> None:
    found = outcomes.meaning(outcome, attempts)
    assert (found.status, found.retry) == (status, retry)


@pytest.mark.parametrize(
    ("status", "code", "state"),
    [
        ("sent", None, "accepted"),
        ("delivered", None, "delivered"),
        ("undelivered", "30003", "bounced_soft"),
        ("undelivered", "30005", "bounced_hard"),
        ("failed", "21610", "bounced_hard"),
        ("failed", "30007", "failed"),
        ("ambiguous", "no_answer", "ambiguous"),
    ],
)
def test_what_a_status_means_for_the_recipient(status: outcomes.Status, code: str | None, state: str) -> None:
    assert outcomes.recipient_state(status, code) == state


def test_the_simulator_signs_as_the_provider_does() -> None:
    form = {
        "CallSid": "CA1234567890ABCDE",
        "From": "+12349013030",
        "To": "+18005551212",
        "Caller": "+12349013030",
        "Digits": "1234",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signature("12345", url, form) == "0/KCTR6DLpKmkAf8muzZqo1nDgQ="


BASE = "https://tidings.test/l/"


@pytest.mark.parametrize(
    ("source", "urls"),
    [
        ("See https://shop.test/a.", ["https://shop.test/a"]),
        ("(https://shop.test/a_(b))", ["https://shop.test/a_(b)"]),
        ("https://a.test/ HTTP://B.test/x https://a.test/", ["https://a.test/", "HTTP://B.test/x"]),
        ("https://shop.test/{{ code }}", []),
        ("{% if code %}https://shop.test/b {% endif %}", ["https://shop.test/b"]),
        ("https://shop.test/b{% if code %}?code{% endif %}", []),
        ("{{ 'https://shop.test/c' }}", []),
        ("https://tidings.test/l/abc shop.test ftp://shop.test/", []),
    ],
)
def test_links_of_a_text_are_found(source: str, urls: list[str]) -> None:
    assert urls_in(source, BASE) == urls


def test_short_links_stand_where_the_long_ones_did() -> None:
    source = "{% if code %}See https://a.test/a{{ ' ' }}(https://a.test/a, https://a.test/b!){% endif %}"
    short = {"https://a.test/a": f"{BASE}1", "https://a.test/b": None}
    assert rewritten(source, short.get) == (
        "{% if code %}See https://a.test/a{{ ' ' }}(https://tidings.test/l/1, https://a.test/b!){% endif %}"
    )
