"""Signatures, verified by another implementation."""

from __future__ import annotations

import base64

import dkim  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign_service.dkim import keys
from campaign_service.dkim.signing import Signer, SigningKey

KEYS = {
    "s1": SigningKey("rsa", "s1", keys.new_key("rsa")),
    "s1-ed": SigningKey("ed25519", "s1-ed", keys.new_key("ed25519")),
}
MAIL = (
    b"From: =?utf-8?B?Wm/DqQ==?= <zoe@example.com>\r\nTo:  Ann\t <ann@example.org>\r\n"
    b"Subject: A long subject that\r\n  is folded\r\nMessage-ID: <1@example.com>\r\n"
    b"List-Unsubscribe: <https://t.example.com/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"Feedback-ID: a:b:c:tidings\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
    b".a dot  and\t blanks \r\n\r\n..two\r\n"
)


def published(name: bytes, timeout: float = 5) -> bytes | None:
    key = KEYS.get(name.decode().partition("._domainkey.")[0])
    return keys.record_value(key.algorithm, keys.public_part(key.private)).encode() if key else None


def verified(mail: bytes) -> list[bool]:
    """One verdict per signature in front."""
    return [_is_verified(mail, number) for number in range(2)]


def _is_verified(mail: bytes, number: int) -> bool:
    try:
        return bool(dkim.DKIM(mail).verify(idx=number, dnsfunc=published))
    except dkim.ValidationError:
        return False


def signed(mail: bytes) -> bytes:
    return Signer("example.com", list(KEYS.values()))(mail)


def test_both_kinds_of_keys_are_verified() -> None:
    assert verified(signed(MAIL)) == [True, True]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"blanks", b"blankz"),
        (b"Subject: A", b"Subject: B"),
        (b"<ann@example.org>", b"<eve@example.org>"),
        (b"https://t.example.com/u", b"https://evil.example.com/u"),
        (b"a:b:c:tidings", b"a:b:d:tidings"),
        (b"From: =?", b"From: eve@example.com\r\nFrom: =?"),
    ],
)
def test_what_was_signed_cannot_change(old: bytes, new: bytes) -> None:
    assert verified(signed(MAIL).replace(old, new)) == [False, False]


def test_blanks_and_folding_may_change_on_the_way() -> None:
    mail = (
        signed(MAIL)
        .replace(b"that\r\n  is", b"that\r\n\tis")
        .replace(b"and\t blanks \r\n", b"and blanks\r\n")
    )
    assert verified(mail) == [True, True]


def test_no_line_of_a_signature_is_long() -> None:
    head = signed(MAIL)[: -len(MAIL)]
    assert max(map(len, head.split(b"\r\n"))) <= 78
    assert head.count(b"DKIM-Signature:") == 2
    assert b"h=from:from:" in head


LINE = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=60)


@settings(max_examples=60, deadline=None)
@given(st.lists(LINE, max_size=8), LINE)
def test_any_mail_is_verified(lines: list[str], subject: str) -> None:
    encoded = b"=?utf-8?B?" + base64.b64encode(subject.encode()) + b"?="
    body = "".join(f"{line}\r\n" for line in lines).encode()
    mail = b"From: a@example.com\r\nSubject: " + encoded + b"\r\n\r\n" + body
    assert verified(signed(mail)) == [True, True]


def test_a_large_mail_is_verified_wherever_its_blanks_are() -> None:
    rows = [b"x" * 70, b"a  b\t c ", b"", b" "] * 3 + [b"y" * 76] * 430
    mail = MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + b"\r\n".join(rows * 8) + b"\r\n \r\n\r\n"
    assert verified(signed(mail)) == [True, True]


@pytest.mark.parametrize(
    ("records", "fault"),
    [
        ([], "no such TXT"),
        (["v=DKIM1; p=x", "v=DKIM1; p=y"], "more than one"),
        (["v=DKIM1; k=ed25519; p=KEY"], "not of a DKIM key"),
        (["v=DKIM1; k=rsa; p=other"], "another key"),
        (["v=DKIM1;k=rsa; t=s; p=KE Y ;"], None),
        (["p=KEY"], None),
    ],
)
def test_a_record_publishes_the_key_or_it_is_said_why_not(records: list[str], fault: str | None) -> None:
    found = keys.fault_of(records, "rsa", "KEY")
    assert (found is None) if fault is None else (fault in (found or ""))
