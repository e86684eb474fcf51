"""The pages people outside see."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_service.tracking.pages import ask_page, gone_page, masked, page_language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("fr-FR,fr;q=0.9,en;q=0.8", "fr"),
        ("en-GB,fr;q=0.9", "en"),
        ("de,fr;q=0.5", "fr"),
        ("de", "en"),
        ("", "en"),
        ("fr;q=0, en;q=0", "en"),
        ("FR", "fr"),
    ],
)
def test_the_language_is_the_preferred_one_of_ours(header: str, language: str) -> None:
    assert page_language(header) == language


@given(st.text(max_size=200))
def test_no_header_breaks_the_choice(header: str) -> None:
    assert page_language(header) in ("en", "fr")


def test_addresses_are_masked_and_escaped() -> None:
    assert masked("anna@example.com") == "a***@example.com"
    body = bytes(ask_page("en", "<b>@<script>.test").body).decode()
    assert "<script>" not in body
    assert "<b>" not in body


def test_the_page_that_says_no_is_a_404_that_nobody_may_keep() -> None:
    page = gone_page("fr")
    assert page.status_code == 404
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["content-language"] == "fr"
