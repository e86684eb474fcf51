"""One street, however it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from property_service.dvf.address import street_key, street_name
from property_service.places.names import plain, search_name


def test_streets_are_shown_in_capitals_without_accents() -> None:
    assert street_name("RTE", "DE MEZERIAT") == "RTE DE MEZERIAT"
    assert street_name("", "Che de l' Étang-Ratier") == "CHE DE L ETANG RATIER"
    assert street_name("", "Cœur d'Œuvre") == "COEUR D OEUVRE"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("AVENUE DE BELLE FERME", "AV BELLE FERME"),
        ("Rue du Général Logerot", "RUE GEN LOGEROT"),
        ("BOULEVARD MARECHAL LECLERC", "BD MAL LECLERC"),
        ("Chemin de l'Étang Ratier", "CHE ETANG RATIER"),
        ("IMPASSE SAINT PIERRE", "IMP ST PIERRE"),
        ("RUE DU 08 MAI 1945", "RUE DU 8 MAI 1945"),
        ("PLACE DE LA MAIRIE", "PL DE LA MAIRIE"),
    ],
)
def test_spellings_of_one_street_have_one_key(one: str, other: str) -> None:
    assert street_key(plain(one)) == street_key(plain(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("RUE DES LILAS", "AV DES LILAS"),
        ("RUE DU MOULIN", "RUE DES MOULINS"),
        ("RUE DU 8 MAI", "RUE DU 11 MAI"),
    ],
)
def test_other_streets_have_other_keys(one: str, other: str) -> None:
    assert street_key(one) != street_key(other)


def test_a_street_of_linking_words_alone_keeps_them() -> None:
    assert street_key("LES") == "LES"


@given(st.text())
def test_plain_text_is_safe_in_copy_lines_and_stays_as_it_is(text: str) -> None:
    found = plain(text)
    assert found.isascii()
    assert found.replace(" ", "").isalnum() or not found
    assert plain(found) == found
    assert search_name(search_name(text)) == search_name(text)
