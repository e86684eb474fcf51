"""What a client may be, before a database is asked."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from property_service.clients.schemas import ClientIn, ClientUpdate

ADA = {"first_name": "Ada", "last_name": "Morel", "email": "ada@example.com"}
SEAT = {"first_name": "Bo", "last_name": "Petit", "email": "bo@example.com"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"send_day": 0},
        {"send_day": 32},
        {"email": "ada.example.com"},
        {"first_name": " "},
        {"telephone": "12"},
        {"status": "suspended"},
        {"subscription_type": "gold"},
        {"property_type_preferences": ["castle"]},
        {"addresses_per_report": -1},
        {"language": "de"},
        {"time_zone": "Europe/Bourg"},
        {"role": "owner"},
        {"subscription_start_date": "2026-02-01", "subscription_end_date": "2026-01-31"},
        {"seats": [SEAT, SEAT | {"email": "BO@example.com"}]},
        {"credit_card": "4111"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    assert ClientIn.model_validate(ADA).email == "ada@example.com"
    with pytest.raises(ValidationError):
        ClientIn.model_validate(ADA | wrong)
    with pytest.raises(ValidationError):
        ClientUpdate.model_validate(wrong)


@pytest.mark.parametrize("field", ["status", "email", "send_day", "chosen_cities", "seats"])
def test_what_must_be_cannot_be_emptied(field: str) -> None:
    with pytest.raises(ValidationError):
        ClientUpdate.model_validate({field: None})


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("06 12 34 56 78", "+33612345678"),
        ("0033 6 12 34 56 78", "+33612345678"),
        ("+262 692 12 34 56", "+262692123456"),
        ("+44 20 7946 0018", "+442079460018"),
    ],
)
def test_telephone_numbers_without_a_country_are_french(given: str, stored: str) -> None:
    assert ClientIn.model_validate(ADA | {"telephone": given}).telephone == stored


def test_a_city_chosen_twice_is_chosen_once() -> None:
    city = "0f8e9a3e-0000-8000-8000-000000000000"
    chosen = ClientIn.model_validate(ADA | {"chosen_cities": [city, city]}).chosen_cities
    assert [str(one) for one in chosen] == [city]
