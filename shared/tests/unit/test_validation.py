"""Checks of single values."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import (
    ValidationError,
    is_email,
    normalize_phone,
    sanitize_string,
    validate_choice,
    validate_email,
    validate_email_required,
    validate_length,
    validate_password,
    validate_phone,
    validate_phone_required,
    validate_required,
    validate_slug,
    validate_time_zone,
    validate_url,
    validate_uuid,
    validate_uuid_required,
)


@pytest.mark.parametrize(
    "address",
    [
        "a@b.co",
        "first.last+tag@sub.example.com",
        "o'brien@example.test",
        "zoé@exämple.com",
        "x" * 64 + "@example.com",
    ],
)
def test_common_addresses_are_accepted(address: str) -> None:
    assert is_email(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "@",
        "a@",
        "@example.com",
        "a b@example.com",
        "a@example",
        "a@@example.com",
        ".a@example.com",
        "a.@example.com",
        "a..b@example.com",
        "a@-example.com",
        "a@example-.com",
        "a@exam_ple.com",
        "a@example.com\n",
        "a@example.com,b@example.com",
        "<a@example.com>",
        "x" * 65 + "@example.com",
        "a@" + "x" * 64 + ".com",
        "a@" + "x." * 130 + "com",
    ],
)
def test_broken_addresses_are_refused(address: str) -> None:
    assert not is_email(address)


@given(st.text(max_size=300))
def test_any_text_gets_an_answer(text: str) -> None:
    assert is_email(text) in (True, False)


def test_address_is_trimmed_and_none_stays_none() -> None:
    assert validate_email("  a@example.com ") == "a@example.com"
    assert validate_email(None) is None


@pytest.mark.parametrize(
    ("given_number", "e164"),
    [
        ("212-555-0100", "+12125550100"),
        ("1 (212) 555 0100", "+12125550100"),
        ("+33 6 12 34 56 78", "+33612345678"),
        ("0033612345678", "+33612345678"),
        ("+4791234567", "+4791234567"),
    ],
)
def test_phones_become_e164(given_number: str, e164: str) -> None:
    assert normalize_phone(given_number) == e164


@pytest.mark.parametrize("number", ["", "12", "+0123456789", "phone", "+123456789012345678"])
def test_other_phones_are_refused(number: str) -> None:
    with pytest.raises(ValidationError):
        validate_phone(number)


def test_passwords_are_normalised_and_only_their_length_counts() -> None:
    assert validate_password("e\u0301" * 12) == "é" * 12
    assert validate_password(" " * 12)
    for wrong in ("short", "x" * 257):
        with pytest.raises(ValidationError):
            validate_password(wrong)


@pytest.mark.parametrize("slug", ["real_estate", "a", "a-b_c", "2026"])
def test_slugs_are_kept_as_given(slug: str) -> None:
    assert validate_slug(slug) == slug


@pytest.mark.parametrize("slug", ["", "A", "a b", "-a", "a-", "a--b", "a_-b", "a\n", "é", "a" * 101])
def test_other_slugs_are_refused(slug: str) -> None:
    with pytest.raises(ValidationError):
        validate_slug(slug)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "//example.com",
        "ftp://example.com",
        "http://",
        "http://a b",
        "http://example.com/\r\nX: 1",
        "http://[",
        "http://example.com:x",
        "http://example.com:99999",
        "http://example.com/\u202egpj",
    ],
)
def test_only_web_addresses_are_urls(url: str) -> None:
    with pytest.raises(ValidationError):
        validate_url(url)


@pytest.mark.parametrize("value", [None, 5, b"x", ["x"]])
def test_what_is_no_text_is_refused_by_its_field(value: Any) -> None:
    for check in (validate_email_required, validate_phone_required, validate_url, validate_slug):
        with pytest.raises(ValidationError, match="name") as caught:
            check(value, "name")
        assert caught.value.field == "name"
    with pytest.raises(ValidationError, match="name must be text"):
        validate_password(value, "name")


def test_the_rest_names_its_field() -> None:
    for call in (
        lambda: validate_required(" ", "name"),
        lambda: validate_required([], "name"),
        lambda: validate_uuid("x", "name"),
        lambda: validate_uuid_required(None, "name"),
        lambda: validate_length("x", "name", least=2),
        lambda: validate_choice("x", ["a"], "name"),
        lambda: validate_time_zone("Mars/Phobos", "name"),
    ):
        with pytest.raises(ValidationError) as caught:
            call()
        assert caught.value.field == "name"
    assert validate_time_zone("Europe/Paris") == "Europe/Paris"


def test_sanitized_text_holds_no_markup_and_no_control_characters() -> None:
    assert sanitize_string(" <b>a\x00b</b>\x1b ") == "&lt;b&gt;ab&lt;/b&gt;"
