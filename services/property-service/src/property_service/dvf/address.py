"""Street names in one form, so that the same address written twice is one address."""

from __future__ import annotations

from functools import lru_cache

from property_service.places.names import plain

#: Kinds of streets as the tax office abbreviates them, from their written-out forms.
_KINDS = {
    "ALLEE": "ALL",
    "ALLEES": "ALL",
    "AVENUE": "AV",
    "AVE": "AV",
    "BOULEVARD": "BD",
    "BLD": "BD",
    "BVD": "BD",
    "CARREFOUR": "CAR",
    "CHAUSSEE": "CHS",
    "CHEMIN": "CHE",
    "CHEM": "CHE",
    "CH": "CHE",
    "CITE": "CTE",
    "CLOS": "CLOS",
    "COTE": "COTE",
    "COURS": "CRS",
    "DOMAINE": "DOM",
    "ESPLANADE": "ESP",
    "FAUBOURG": "FG",
    "FBG": "FG",
    "HAMEAU": "HAM",
    "IMPASSE": "IMP",
    "LIEU DIT": "LD",
    "LOTISSEMENT": "LOT",
    "MONTEE": "MTE",
    "PASSAGE": "PAS",
    "PLACE": "PL",
    "PROMENADE": "PROM",
    "QUAI": "QU",
    "QUARTIER": "QUA",
    "RESIDENCE": "RES",
    "ROND POINT": "RPT",
    "ROUTE": "RTE",
    "RUELLE": "RLE",
    "SENTIER": "SEN",
    "SENTE": "SEN",
    "SQUARE": "SQ",
    "TRAVERSE": "TRA",
    "VILLA": "VLA",
    "VOIE": "VOIE",
    "ZONE ARTISANALE": "ZA",
}
_WORDS = {
    "SAINT": "ST",
    "SAINTE": "STE",
    "GENERAL": "GEN",
    "GAL": "GEN",
    "MARECHAL": "MAL",
    "DOCTEUR": "DOC",
    "DR": "DOC",
    "PRESIDENT": "PDT",
    "COMMANDANT": "CDT",
    "CAPITAINE": "CAP",
    "CAPIT": "CAP",
    "LIEUTENANT": "LT",
    "COLONEL": "COL",
    "PROFESSEUR": "PROF",
    "GRAND": "GD",
    "GRANDE": "GDE",
    "VIEUX": "VX",
    "VIEILLE": "VLE",
}
_LINKING = frozenset(("DE", "DU", "DES", "LA", "LE", "LES", "L", "D", "AU", "AUX", "A", "ET", "EN", "SUR"))


@lru_cache(maxsize=65_536)
def street_name(kind: str, name: str) -> str:
    """The street as it is shown: `RUE GEN LOGEROT`."""
    return plain(f"{kind} {name}")


@lru_cache(maxsize=65_536)
def street_key(street: str) -> str:
    """A shown street in the form for comparing: kinds and titles abbreviated, linking words left out."""
    for written, short in _KINDS.items():
        if street.startswith(written + " "):
            street = short + street[len(written) :]
            break
    words = [_WORDS.get(word, word.lstrip("0") or "0") for word in street.split()]
    kept = [word for word in words if word not in _LINKING]
    return " ".join(kept or words)
