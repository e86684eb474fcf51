"""Which content a person gets."""

from __future__ import annotations

import pytest

from campaign_service.rendering import choose_content, content_key

ALL = ["en", "en/shops", "fr", "fr/shops", "pt-BR"]


@pytest.mark.parametrize(
    ("available", "language", "category", "chosen"),
    [
        (ALL, "fr", "Shops", "fr/shops"),
        (ALL, "fr-CA", "shops", "fr/shops"),
        (ALL, "fr", "schools", "fr"),
        (["en", "en/shops", "fr"], "fr", "shops", "fr"),
        (ALL, "de", "shops", "en/shops"),
        (ALL, "de", None, "en"),
        (ALL, "pt-BR", "shops", "pt-BR"),
        (["fr", "de/shops"], "es", "shops", "fr"),
        (["it/shops"], None, None, "it/shops"),
    ],
)
def test_category_first_then_language_then_the_default(
    available: list[str], language: str | None, category: str | None, chosen: str
) -> None:
    assert choose_content(available, language, category, "en") == chosen


def test_categories_are_compared_as_slugs() -> None:
    assert content_key("fr", " Écoles  primaires ") == "fr/ecoles-primaires"
    assert content_key("fr", " ") == content_key("fr", None) == "fr"
