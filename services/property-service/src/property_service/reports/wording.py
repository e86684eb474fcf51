"""Dates, amounts and names of things as French and English readers write them."""

from __future__ import annotations

from datetime import date
from typing import Literal

Language = Literal["fr", "en"]

_MONTHS: dict[Language, tuple[str, ...]] = {
    "fr": (
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ),
    "en": (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
}
_TYPES: dict[Language, dict[str, str]] = {
    "fr": {
        "house": "maison",
        "apartment": "appartement",
        "land": "terrain",
        "commercial": "local commercial",
        "other": "autre bien",
    },
    "en": {
        "house": "house",
        "apartment": "apartment",
        "land": "land",
        "commercial": "commercial property",
        "other": "other property",
    },
}
_NO_BREAK = "\u00a0"
#: Where the sales come from: the licence asks for the name of the publisher and the date of the data.
_DVF = "Demandes de valeurs foncières (DVF), DGFiP, Licence Ouverte 2.0"
_SOURCE: dict[Language, str] = {
    "fr": f"Source : {_DVF} ; ventes consultées le {{day}}.",
    "en": f"Source: {_DVF}; sales consulted on {{day}}.",
}


def day_text(day: date, language: Language) -> str:
    """`1er mars 2027`, `1 March 2027`."""
    number = "1er" if language == "fr" and day.day == 1 else str(day.day)
    return f"{number} {_MONTHS[language][day.month - 1]} {day.year}"


def amount_text(cents: float | None, language: Language) -> str | None:
    """Whole euros, `210 000 €` or `€210,000`; None for a price that is not known."""
    if cents is None:
        return None
    grouped = f"{round(cents / 100):,}"
    return f"{grouped.replace(',', _NO_BREAK)}{_NO_BREAK}€" if language == "fr" else f"€{grouped}"


def type_text(property_type: str, language: Language) -> str:
    return _TYPES[language].get(property_type, property_type)


def period_text(oldest: date, newest: date, language: Language) -> str:
    first, last = day_text(oldest, language), day_text(newest, language)
    return f"du {first} au {last}" if language == "fr" else f"{first} to {last}"


def source_text(day: date, language: Language) -> str:
    return _SOURCE[language].format(day=day_text(day, language))
