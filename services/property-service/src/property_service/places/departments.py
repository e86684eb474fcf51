"""What a commune's code says: its department, region, and the city an arrondissement belongs to."""

from __future__ import annotations

import re

CODE = re.compile(r"^(?:\d{5}|2[AB]\d{3})\Z")
POSTAL_CODE = re.compile(r"^\d{5}\Z")

_REGIONS = {
    "Auvergne-Rhône-Alpes": "01 03 07 15 26 38 42 43 63 69 73 74",
    "Bourgogne-Franche-Comté": "21 25 39 58 70 71 89 90",
    "Bretagne": "22 29 35 56",
    "Centre-Val de Loire": "18 28 36 37 41 45",
    "Corse": "2A 2B",
    "Grand Est": "08 10 51 52 54 55 57 67 68 88",
    "Hauts-de-France": "02 59 60 62 80",
    "Île-de-France": "75 77 78 91 92 93 94 95",
    "Normandie": "14 27 50 61 76",
    "Nouvelle-Aquitaine": "16 17 19 23 24 33 40 47 64 79 86 87",
    "Occitanie": "09 11 12 30 31 32 34 46 48 65 66 81 82",
    "Pays de la Loire": "44 49 53 72 85",
    "Provence-Alpes-Côte d'Azur": "04 05 06 13 83 84",
    "Guadeloupe": "971",
    "Martinique": "972",
    "Guyane": "973",
    "La Réunion": "974",
    "Mayotte": "976",
}
_REGION_OF = {department: name for name, all_of in _REGIONS.items() for department in all_of.split()}

#: Cities of arrondissements: code and name, and the codes of the first and last arrondissement.
ARRONDISSEMENTS = (
    ("75056", "PARIS", "75101", "75120"),
    ("69123", "LYON", "69381", "69389"),
    ("13055", "MARSEILLE", "13201", "13216"),
)


def department_of(code: str) -> str:
    """Two characters, three overseas."""
    return code[:3] if code.startswith(("97", "98")) else code[:2]


def region_of(code: str) -> str | None:
    """The region of a commune; None for territories that are in none."""
    return _REGION_OF.get(department_of(code))


def parent_of(code: str) -> tuple[str, str] | None:
    """Code and name of the city when the code is an arrondissement of Paris, Lyon or Marseille."""
    for city, name, first, last in ARRONDISSEMENTS:
        if first <= code <= last:
            return city, name
    return None
