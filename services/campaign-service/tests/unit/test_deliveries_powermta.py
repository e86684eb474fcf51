"""PowerMTA rows as they come in the field: any column order, any time format, any damage."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_service.deliveries.classify import classify_bounce, enhanced_status
from campaign_service.deliveries.powermta import UnreadableBatchError, parse_batch, split_records
from campaign_service.deliveries.rows import parse_time

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DELIVERED = (
    "d,2026-02-08 21:54:05+0000,2026-02-08 21:54:05+0000,b-abc@bounce.example.com,Anna@Example.com,,relayed,"
    '2.0.0 (success),smtp;250 OK,mx.example.com (192.0.2.1),,api,,smtp,,,"PIPELINING",4159,vm1,job-1,env-1,'
    "example.com/vm1,pool"
)


def test_default_columns_apply_when_the_header_is_missing() -> None:
    (row,) = parse_batch(DELIVERED + "\r\n", NOW).rows
    assert (row.fact, row.address, row.job_id, row.status) == (
        "delivered",
        "anna@example.com",
        "job-1",
        "2.0.0",
    )
    assert row.references == ("env-1", "b-abc@bounce.example.com")
    assert row.occurred_at == datetime(2026, 2, 8, 21, 54, 5, tzinfo=UTC)


def test_columns_are_found_by_name_in_any_order_and_case() -> None:
    header = "RCPT,EnvID,type,timeLogged,bounceCAT,dsnStatus\n"
    body = header + "x@example.com,e1,b,1770000000,bad-mailbox,5.1.1 (no)\n"
    (row,) = parse_batch("\ufeff" + body, NOW).rows
    assert (row.fact, row.bounce_class, row.references) == ("bounced", "hard", ("e1",))


def test_a_repeated_header_changes_the_columns_from_there_on() -> None:
    body = (
        "type,timeLogged,rcpt\nd,1770000000,a@example.com\nrcpt,type,timeLogged\nb@example.com,d,1770000001\n"
    )
    assert [row.address for row in parse_batch(body, NOW).rows] == ["a@example.com", "b@example.com"]


@pytest.mark.parametrize(
    ("kind", "extra", "fact"),
    [
        ("d", "", "delivered"),
        ("b", "", "bounced"),
        ("t", "", "deferred"),
        ("rb", "", "bounced"),
        ("f", "", "complained"),
        ("rs", "delayed", "deferred"),
        ("rs", "failed", "bounced"),
        ("rs", "delivered", "delivered"),
    ],
)
def test_each_record_type_means_its_fact(kind: str, extra: str, fact: str) -> None:
    body = f"type,timeLogged,rcpt,dsnAction\n{kind},1770000000,a@example.com,{extra}\n"
    assert [row.fact for row in parse_batch(body, NOW).rows] == [fact]


def test_rows_that_say_nothing_about_a_mail_are_counted_as_ignored() -> None:
    header = "type,timeLogged,rcpt,feedbackType\n"
    body = header + "r,1770000000,a@example.com,\ntq,1770000000,,\nf,1770000000,,not-spam\n"
    batch = parse_batch(body, NOW)
    assert (batch.ignored, batch.rows, batch.issues) == (3, [], [])


def test_unknown_types_and_unreadable_times_are_rejected_with_their_line() -> None:
    rows = ("zz,1770000000,a@example.com", "d,yesterday,b@example.com", "d,9999999999,c@example.com")
    body = "\n".join(("type,timeLogged,rcpt", *rows))
    issues = parse_batch(body, NOW).issues
    assert [(i.number, i.reason) for i in issues] == [
        (2, "unknown_record_type"),
        (3, "unreadable_time"),
        (4, "unreadable_time"),
    ]


def test_the_three_time_formats_give_the_same_moment() -> None:
    expected = datetime(2026, 2, 8, 21, 54, 5, tzinfo=UTC)
    for text in ("2026-02-08 22:54:05+0100", "1770587645", "02/08/2026 21:54:05+0000", "1770587645000"):
        assert parse_time(text, NOW) == expected


def test_the_same_row_as_csv_and_as_json_has_one_key() -> None:
    as_csv = (
        "type,timeLogged,rcpt,envId,dsnStatus\nd,2026-02-08 21:54:05+0000,a@example.com,e,2.0.0 (success)\n"
    )
    as_json = json.dumps(
        [
            {
                "type": "d",
                "timeLogged": "1770587645",
                "rcpt": "a@example.com",
                "envId": "e",
                "dsnStatus": "2.0.0 (success)",
            }
        ]
    )
    assert parse_batch(as_csv, NOW).rows[0].dedupe_key == parse_batch(as_json, NOW).rows[0].dedupe_key


def test_an_unclosed_quote_costs_its_own_line_only() -> None:
    good = [f"d,1770000000,a{n}@example.com,ok" for n in range(30)]
    body = "type,timeLogged,rcpt,dsnDiag\n" + 'd,1770000000,bad@example.com,"never closed\n' + "\n".join(good)
    assert len(parse_batch(body, NOW).rows) == 31


def test_a_quoted_line_break_stays_inside_its_record() -> None:
    broken = 'b,1770000000,a@example.com,"smtp;550 no\nsuch user"\n'
    body = "type,timeLogged,rcpt,dsnDiag\n" + broken + "d,1770000000,b@example.com,\n"
    rows = parse_batch(body, NOW).rows
    assert [(row.number, row.diagnostic) for row in rows] == [(2, "smtp;550 no\nsuch user"), (4, "")]


def test_older_forwarder_names_are_understood() -> None:
    body = json.dumps(
        {
            "event": "bounced",
            "recipient": "a@example.com",
            "timestamp": 1770000000,
            "bounce_category": "quota-issues",
        }
    )
    (row,) = parse_batch(body, NOW).rows
    assert (row.fact, row.bounce_class, row.address) == ("bounced", "soft", "a@example.com")


def test_text_that_postgres_cannot_store_is_made_storable() -> None:
    body = json.dumps(
        [{"type": "d", "timeLogged": "1770000000", "rcpt": "a\x00@example.com", "dsnDiag": "\ud800"}]
    )
    (row,) = parse_batch(body, NOW).rows
    assert (row.address, row.diagnostic) == ("a@example.com", "?")
    assert "\x00" not in row.raw


def test_broken_json_is_refused_as_a_whole() -> None:
    for body in ("[{", "[" * 100_000):
        with pytest.raises(UnreadableBatchError):
            parse_batch(body, NOW)


@pytest.mark.parametrize(
    ("category", "status", "expected"),
    [
        ("bad-mailbox", "5.1.1 (bad destination mailbox address)", "hard"),
        ("inactive-mailbox", "", "hard"),
        ("bad-mailbox", "4.2.1", "soft"),
        ("quota-issues", "5.2.2", "soft"),
        ("policy-related", "5.1.1", "other"),
        ("spam-related", "5.7.1", "other"),
        ("our-own-category", "5.1.1 (x)", "hard"),
        ("other", "5.1.1", "hard"),
        ("", "4.4.1", "soft"),
        ("", "", "other"),
        ("Bad-Mailbox ", "5.1.1", "hard"),
    ],
)
def test_bounce_classes(category: str, status: str, expected: str) -> None:
    assert classify_bounce(category, status) == expected


@pytest.mark.parametrize(
    ("status", "diagnostic", "expected"),
    [
        ("", "smtp;550 No such user here", "hard"),
        ("5.0.0 (undefined status)", "smtp;550 5.0.0 User unknown", "hard"),
        ("", "smtp;550 blocked", "other"),
        ("", "smtp;552 mailbox full", "soft"),
        ("", "smtp;450 try later", "soft"),
        ("5.4.7 (delivery time expired)", "", "soft"),
        ("5.2.3 (message too long)", "smtp;552 5.2.3 too long", "other"),
    ],
)
def test_words_decide_where_a_code_says_little(status: str, diagnostic: str, expected: str) -> None:
    assert classify_bounce("", status, diagnostic) == expected


def test_enhanced_status_is_the_leading_code() -> None:
    assert enhanced_status("5.1.1 (bad) 4.0.0") == "5.1.1"
    assert enhanced_status("smtp;550 5.7.1 Denied") == "5.7.1"
    assert enhanced_status("192.168.5.1") == ""


@given(st.text(max_size=300))
def test_no_text_makes_the_csv_reader_fail(text: str) -> None:
    batch = parse_batch("type,timeLogged,rcpt\n" + text, NOW)
    records = list(split_records(text))
    assert len(batch.rows) + len(batch.issues) + batch.ignored <= len(records)
