"""Reading bounces and complaints in the shapes that mail servers write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from campaign_service.intake.reading import Returned, read

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
REF = "b-abc@mail.example.com"


def dsn(*groups: str, whole: str = "Reporting-MTA: dns; mx.example.net", returned: str = "") -> bytes:
    status = "\n\n".join((whole, *groups))
    original = f"--x\nContent-Type: text/rfc822-headers\n\n{returned}\n" if returned else ""
    return (
        "From: Mail Delivery System <MAILER-DAEMON@mx.example.net>\nMessage-ID: <1@mx.example.net>\n"
        "Date: Mon, 4 May 2026 11:00:00 +0000\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="x"\n\n'
        "--x\nContent-Type: text/plain\n\nI'm afraid I wasn't able to deliver your message.\n"
        f"--x\nContent-Type: message/delivery-status\n\n{status}\n\n{original}--x--\n"
    ).encode()


def failed(action: str, status: str, diagnostic: str, address: str = "ann@example.net") -> str:
    return (
        f"Final-Recipient: rfc822; {address}\nAction: {action}\nStatus: {status}\n"
        f"Remote-MTA: dns; mx2.example.net\nDiagnostic-Code: smtp; {diagnostic}"
    )


def take(raw: bytes, sender: str = "") -> Returned:
    return read(raw, sender, (REF,), NOW)


@pytest.mark.parametrize(
    ("action", "status", "diagnostic", "fact", "bounce_class"),
    [
        ("failed", "5.1.1", "550 5.1.1 no such user", "bounced", "hard"),
        ("Failed", "5.0.0", "550 5.1.1 no such user", "bounced", "hard"),
        ("failed", "5.2.2", "552 5.2.2 mailbox full", "bounced", "soft"),
        ("failed", "5.7.1", "554 5.7.1 looks like spam", "bounced", "other"),
        ("failed", "4.4.7", "expired", "bounced", "soft"),
        ("delayed", "4.4.1", "no answer", "deferred", None),
        ("relayed", "2.0.0", "250 ok", "delivered", None),
    ],
)
def test_a_status_report_says_what_became_of_the_mail(
    action: str, status: str, diagnostic: str, fact: str, bounce_class: str | None
) -> None:
    found = take(dsn(failed(action, status, diagnostic)))
    assert found.kind == "bounce"
    (row,) = found.rows
    assert (row.fact, row.bounce_class, row.address) == (fact, bounce_class, "ann@example.net")
    assert row.references[0] == REF
    assert row.occurred_at == datetime(2026, 5, 4, 11, 0, tzinfo=UTC)
    assert row.detail["mta"] == "mx2.example.net"


def test_each_recipient_of_a_report_has_a_row_of_its_own() -> None:
    rows = take(
        dsn(failed("failed", "5.1.1", "no"), failed("delayed", "4.2.0", "later", "bob@example.net"))
    ).rows
    assert [(row.address, row.fact) for row in rows] == [
        ("ann@example.net", "bounced"),
        ("bob@example.net", "deferred"),
    ]
    assert rows[0].dedupe_key != rows[1].dedupe_key


def test_a_report_read_again_has_the_same_keys() -> None:
    raw = dsn(failed("failed", "5.1.1", "no"))
    assert take(raw).rows[0].dedupe_key == take(raw).rows[0].dedupe_key


def test_references_are_found_in_envelope_id_and_returned_headers() -> None:
    raw = dsn(
        failed("failed", "5.1.1", "no"),
        whole="Original-Envelope-Id: abc\nReporting-MTA: dns; mx.example.net",
        returned="Message-ID: <abc@mail.example.com>\nX-Envid: abc\n",
    )
    assert take(raw).rows[0].references == (REF, "abc", "abc", "abc@mail.example.com")


@pytest.mark.parametrize("date", ["Mon, 4 May 2037 11:00:00 +0000", "Mon, 4 May 1998 11:00:00 +0000", "soon"])
def test_a_clock_that_is_wrong_is_not_believed(date: str) -> None:
    raw = dsn(failed("failed", "5.1.1", "no")).replace(b"Mon, 4 May 2026 11:00:00 +0000", date.encode())
    assert take(raw).rows[0].occurred_at == NOW


def complaint(kind: str) -> bytes:
    return (
        "From: fbl@provider.example\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="x"\n\n'
        "--x\nContent-Type: text/plain\n\nThis is an abuse report.\n"
        f"--x\nContent-Type: message/feedback-report\n\nFeedback-Type: {kind}\nUser-Agent: Loop/1\n"
        "Version: 1\n"
        "Original-Mail-From: <b-abc@mail.example.com>\nOriginal-Rcpt-To: <Ann@example.net>\n\n"
        "--x\nContent-Type: message/rfc822\n\nMessage-ID: <abc@mail.example.com>\n\nhello\n--x--\n"
    ).encode()


def test_a_complaint_names_the_mail_in_three_places() -> None:
    found = read(complaint("abuse"), "fbl@provider.example", (), NOW)
    (row,) = found.rows
    assert (found.kind, row.fact, row.address) == ("complaint", "complained", "ann@example.net")
    assert row.references == ("b-abc@mail.example.com", "abc@mail.example.com")
    assert row.detail["feedback_type"] == "abuse"


def test_somebody_who_says_it_is_no_spam_does_not_complain() -> None:
    found = read(complaint("not-spam"), "fbl@provider.example", (), NOW)
    assert (found.kind, found.rows) == ("complaint", ())


@pytest.mark.parametrize(
    "header", ["Auto-Submitted: auto-replied (vacation)", "X-Autoreply: yes", "Precedence: auto_reply"]
)
def test_an_answering_machine_says_nothing_about_the_mail(header: str) -> None:
    raw = f"From: ann@example.net\n{header}\nSubject: Away\n\nBack on 550 5.1.1 Street.\n".encode()
    assert take(raw) == Returned("answer")


@pytest.mark.parametrize(
    ("line", "fact", "bounce_class"),
    [
        ("550 5.1.1 <ann@example.net>: unknown", "bounced", "hard"),
        ("Remote host said: 552 mailbox is over quota", "bounced", "soft"),
        ("451 4.2.0 try later", "deferred", None),
    ],
)
def test_a_bounce_in_words_alone_is_understood_by_its_code(
    line: str, fact: str, bounce_class: str | None
) -> None:
    raw = f"From: MAILER-DAEMON@old.example\nAuto-Submitted: auto-replied\n\nSorry.\n{line}\n".encode()
    (row,) = take(raw, "<>").rows
    assert (row.fact, row.bounce_class) == (fact, bounce_class)


@pytest.mark.parametrize(
    ("raw", "sender"),
    [
        (b"From: ann@example.net\n\nThank you, 550 5.1.1 euros are fine.\n", "ann@example.net"),
        (b"From: MAILER-DAEMON@old.example\n\nSomething happened.\n", ""),
        (b"", ""),
        (b"\xff\xfe\x00 no mail at all", ""),
    ],
)
def test_what_is_no_report_is_said_to_be_unreadable(raw: bytes, sender: str) -> None:
    assert take(raw, sender) == Returned("unreadable")
