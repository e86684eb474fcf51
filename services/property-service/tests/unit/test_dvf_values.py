"""Cells of sales files, whole and damaged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from property_service.dvf import values
from property_service.dvf.values import CellError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2018-01-03", "2018-01-03"),
        ("03/01/2018", "2018-01-03"),
        ("3/1/2018", "2018-01-03"),
        ("2018-01-03 00:00:00", "2018-01-03"),
        ("03/01/2018 0:00", "2018-01-03"),
    ],
)
def test_dates_of_both_layouts_are_read(text: str, expected: str) -> None:
    assert values.iso_date(text) == expected


@pytest.mark.parametrize(
    "text", ["", "2018-02-30", "32/01/2018", "01/13/2018", "20180103", "0218-01-03", "2018-01-03 10:30"]
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(CellError) as caught:
        values.iso_date(text)
    assert caught.value.code == "invalid_date"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("251500,00", "25150000"),
        ("109000.0", "10900000"),
        ("131937.3", "13193730"),
        ("174500,5", "17450050"),
        ("468000", "46800000"),
        ("1.2e+06", "120000000"),
        ("0", "0"),
        ("", ""),
    ],
)
def test_prices_are_cents(text: str, expected: str) -> None:
    assert values.cents(text) == expected


@given(cents=st.integers(0, 10**12), comma=st.booleans())
def test_no_cent_is_lost(cents: int, comma: bool) -> None:
    text = f"{cents // 100}{',' if comma else '.'}{cents % 100:02}"
    assert values.cents(text) == str(cents)


@pytest.mark.parametrize("text", ["cher", "-5", "nan", "inf", "1e30", "12.3.4", "٣"])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(CellError) as caught:
        values.cents(text)
    assert caught.value.code == "invalid_price"


@pytest.mark.parametrize(
    ("department", "commune", "code"),
    [
        ("01", "301", "01301"),
        ("1", "53", "01053"),
        ("1", "1", "01001"),
        ("75", "116", "75116"),
        ("2A", "4", "2A004"),
        ("2b", "33", "2B033"),
        ("971", "05", "97105"),
        ("974", "411", "97411"),
        ("1.0", "53.0", "01053"),
    ],
)
def test_lost_zeros_of_communes_are_put_back(department: str, commune: str, code: str) -> None:
    assert values.insee_code(department, commune) == code


@pytest.mark.parametrize(("text", "expected"), [("1310", "01310"), ("1000.0", "01000"), ("75016", "75016")])
def test_lost_zeros_of_postal_codes_are_put_back(text: str, expected: str) -> None:
    assert values.postal_code(text) == expected


@pytest.mark.parametrize("text", ["", "123456", "1A000"])
def test_what_is_no_postal_code_is_left_out(text: str) -> None:
    assert values.postal_code(text) == ""


def test_parcels_are_put_together_as_the_land_registry_writes_them() -> None:
    assert values.parcel("01053", "", "AN", "73") == "01053000AN0073"
    assert values.parcel("01158", "", "B", "815") == "011580000B0815"
    assert values.parcel("01033", "91.0", "A", "1.0") == "010330910A0001"
    with pytest.raises(CellError):
        values.parcel("01053", "", "", "73")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("13.0", 13), ("73", 73), ("", 0), ("0.0", 0), ("94.22", 94)],
)
def test_whole_numbers_are_read_through_damage(text: str, expected: int) -> None:
    assert values.whole(text) == expected


@pytest.mark.parametrize("text", ["91", "-90.5", "nan", "east"])
def test_places_off_the_earth_are_refused(text: str) -> None:
    with pytest.raises(CellError):
        values.coordinate(text, 90)


def test_natures_are_known_with_and_without_accents() -> None:
    assert values.nature("Vente en l'état futur d'achèvement") == "vefa"
    assert values.nature("Vente en l’état futur d’achèvement") == "vefa"
    assert values.nature("VENTE EN L'ETAT FUTUR D'ACHEVEMENT") == "vefa"
    with pytest.raises(CellError):
        values.nature("Donation")
