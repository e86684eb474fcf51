"""What a server's words mean."""

from __future__ import annotations

import pytest

from campaign_service.sending.replies import Kind, Reply, Stage, classify
from campaign_service.sending.smtp import SmtpSettings
from campaign_service.sending.talk import stuffed


@pytest.mark.parametrize(
    ("code", "text", "stage", "kind"),
    [
        (250, "2.0.0 ok", "content", "accepted"),
        (451, "4.7.1 greylisted", "rcpt", "retry"),
        (421, "closing", "content", "retry"),
        (552, "4.2.2 mailbox full", "rcpt", "mailbox"),
        (550, "5.1.1 no such user", "rcpt", "user_unknown"),
        (550, "5.1.1 no such user", "content", "user_unknown"),
        (550, "5.2.1 disabled", "rcpt", "user_unknown"),
        (550, "5.1.10 null MX", "rcpt", "user_unknown"),
        (552, "5.2.2 full", "rcpt", "mailbox"),
        (550, "5.7.1 spam", "rcpt", "policy"),
        (554, "5.6.0 bad content", "content", "policy"),
        (550, "No such user here", "rcpt", "user_unknown"),
        (550, "Requested action not taken", "rcpt", "user_unknown"),
        (550, "Requested action not taken", "content", "policy"),
        (550, "blocked for spam, user unknown to us", "rcpt", "policy"),
        (550, "User unknown", "content", "user_unknown"),
        (554, "relay access denied", "rcpt", "policy"),
        (550, "sender refused", "mail", "policy"),
        (550, "Mailbox is full", "rcpt", "mailbox"),
        (550, "over quota", "content", "mailbox"),
        (551, "User not local", "rcpt", "user_unknown"),
        (503, "bad sequence", "rcpt", "policy"),
        (550, "5.0.0 User unknown", "rcpt", "user_unknown"),
        (550, "5.0.0 Command rejected", "rcpt", "policy"),
        (550, "5.1.0 Address rejected", "rcpt", "policy"),
        (550, "5.1.0 no such user", "rcpt", "user_unknown"),
        (550, "5.1.2 no such domain", "rcpt", "user_unknown"),
        (501, "5.1.3 bad syntax", "rcpt", "user_unknown"),
        (551, "5.1.6 has moved", "rcpt", "user_unknown"),
        (550, "5.1.4 ambiguous", "rcpt", "mailbox"),
        (550, "5.1.8 bad sender", "rcpt", "policy"),
        (552, "5.2.3 message too long", "content", "policy"),
        (550, "5.3.1 system full", "rcpt", "mailbox"),
        (552, "5.3.4 message too big", "content", "policy"),
        (550, "5.4.1 no answer from host", "rcpt", "mailbox"),
        (550, "5.4.1 Recipient address rejected: Access denied", "rcpt", "user_unknown"),
        (550, "5.4.4 cannot route", "rcpt", "mailbox"),
        (550, "5.4.6 loop", "rcpt", "mailbox"),
        (550, "5.4.7 expired", "rcpt", "mailbox"),
        (554, "5.5.1 bad command", "rcpt", "policy"),
        (550, "5.7.26 unauthenticated", "content", "policy"),
        (554, "5.7.1 Recipient address rejected: Access denied", "rcpt", "policy"),
        (452, "4.2.2 full for now", "rcpt", "retry"),
    ],
)
def test_replies_are_classified_by_enhanced_code_first(
    code: int, text: str, stage: Stage, kind: Kind
) -> None:
    assert classify(Reply(code, text), stage) == kind


def test_an_enhanced_code_must_agree_with_the_basic_one() -> None:
    assert Reply(550, "4.2.2 full").enhanced is None
    assert Reply(550, "5.2.2 full").enhanced == "5.2.2"


@pytest.mark.parametrize(
    ("content", "wire"),
    [
        (b"a\r\n.b\r\n", b"a\r\n..b\r\n"),
        (b".\r\n.\r\n", b"..\r\n..\r\n"),
        (b"no end", b"no end\r\n"),
        (b"a.b\r\n", b"a.b\r\n"),
    ],
)
def test_dots_at_line_starts_are_stuffed(content: bytes, wire: bytes) -> None:
    assert stuffed(content) == wire


def test_an_address_names_security_port_and_login() -> None:
    settings = SmtpSettings.from_url("smtp+starttls://us%40er:p%3Aw@mail.example.com")
    assert (settings.security, settings.port) == ("starttls", 587)
    assert (settings.username, settings.password) == ("us@er", "p:w")
    assert "p:w" not in repr(settings)
    with pytest.raises(ValueError, match="smtp://"):
        SmtpSettings.from_url("http://mail.example.com")
