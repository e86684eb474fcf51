import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_service.contacts.address import MAX_LENGTH, parse_address
from campaign_service.contacts.fields import country_code, language_code


@pytest.mark.parametrize(
    ("written", "email"),
    [
        ("anna@example.com", "anna@example.com"),
        ("  Anna.Berg+news@Example.COM\u00a0", "Anna.Berg+news@Example.COM"),
        ("\ufeffanna@example.com\u200b", "anna@example.com"),
        ("mailto:anna@example.com", "anna@example.com"),
        ("Anna Berg <anna@example.com>", "anna@example.com"),
        ('"anna@example.com";', "anna@example.com"),
        ("o'neil@example.com", "o'neil@example.com"),
        ("anna@bücher.example", "anna@xn--bcher-kva.example"),
        ("a@b-c.d3.museum", "a@b-c.d3.museum"),
        ("ZOE\u0301@example.com", "zoé@example.com"),
        ("用户@example.com", "用户@example.com"),
    ],
)
def test_usable_addresses_are_taken_out_of_their_wrapping(written: str, email: str) -> None:
    assert parse_address(written) == (email, None)


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("", "email_missing"),
        (" \t\u00a0", "email_missing"),
        ("anna", "email_invalid"),
        ("anna berg@example.com", "email_invalid"),
        ("anna..berg@example.com", "email_invalid"),
        (".anna@example.com", "email_invalid"),
        ("@example.com", "email_invalid"),
        ("a@b@example.com", "email_invalid"),
        ("anna@example", "email_domain_invalid"),
        ("anna@-example.com", "email_domain_invalid"),
        ("anna@example..com", "email_domain_invalid"),
        ("anna@127.0.0.1", "email_domain_invalid"),
        ("anna@exa mple.com", "email_domain_invalid"),
        ("anna@example.com\r\nBcc: eve@example.com", "email_invalid"),
        ("zo\u200bé@example.com", "email_invalid"),
        ("zo é@example.com", "email_invalid"),
        ("é" * 33 + "@example.com", "email_too_long"),
        ("a" * 65 + "@example.com", "email_too_long"),
        (
            "a" * 60 + "@" + "b" * 60 + "." + "c" * 60 + "." + "d" * 60 + "." + "e" * 20 + ".com",
            "email_too_long",
        ),
    ],
)
def test_unusable_addresses_name_the_fault(written: str, fault: str) -> None:
    assert parse_address(written).fault == fault


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
def test_any_text_is_either_a_fault_or_a_plain_header_safe_address(text: str) -> None:
    address = parse_address(text)
    if address.fault is None:
        assert address.email.rpartition("@")[2].isascii()
        assert address.email.isprintable()
        assert " " not in address.email
        assert len(address.email) <= MAX_LENGTH
        assert parse_address(address.email) == address


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("FR", "fr"),
        ("fr-FR", "fr"),
        ("pt_BR", "pt"),
        ("Français", "fr"),
        ("Deutsch", "de"),
        ("?", None),
        ("x", None),
    ],
)
def test_languages_are_understood_as_codes_and_names(written: str, code: str | None) -> None:
    assert language_code(written) == code


@pytest.mark.parametrize(
    ("written", "code"), [("fr", "FR"), ("Frankreich", "FR"), (" united kingdom ", "GB"), ("Oz", "OZ")]
)
def test_countries_are_understood_as_codes_and_names(written: str, code: str) -> None:
    assert country_code(written) == code
