"""Cells of DVF files: dates, money, codes and numbers, also as damaged by a spreadsheet or pandas.

Files that were opened and saved again carry `13.0` for 13 and have lost leading zeros. Everything here is
cached: the same few values fill millions of rows.
"""

from __future__ import annotations

import math
import re
from datetime import date
from functools import lru_cache

from property_service.places.departments import CODE

# Programs that save a file again may write midnight after the day.
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[ T]00:00(?::00)?)?\Z")
_FRENCH = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?: 0?0:00(?::00)?)?\Z")
_EARLIEST = 1900
_LATEST = 2200
_MAX_CENTS = 10**14
#: Up to this, in euro cents, a price is none, not even of a strip of land.
NOMINAL_CENTS = 100
_MAX_NUMBER = 2_000_000_000
NATURES = {
    "vente": "sale",
    "vente en l'état futur d'achèvement": "vefa",
    "vente en l'etat futur d'achevement": "vefa",
    "vente terrain à bâtir": "building_land",
    "vente terrain a batir": "building_land",
    "vente de terrain à bâtir": "building_land",
    "adjudication": "auction",
    "expropriation": "expropriation",
    "echange": "exchange",
    "échange": "exchange",
}


class CellError(ValueError):
    """A cell makes its row unusable; `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@lru_cache(maxsize=4096)
def iso_date(text: str) -> str:
    """`2018-01-03` from that or `03/01/2018`."""
    if match := _ISO.match(text):
        year, month, day = match.groups()
    elif match := _FRENCH.match(text):
        day, month, year = match.groups()
    else:
        raise CellError("invalid_date", f"{text!r} is no date")
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        raise CellError("invalid_date", f"{text!r} is no date") from None
    if not _EARLIEST <= found.year <= _LATEST:
        raise CellError("invalid_date", f"the year of {text!r} cannot be right")
    return found.isoformat()


@lru_cache(maxsize=64)
def nature(text: str) -> str:
    """What kind of change of owner it was, as the table `sale` names it."""
    found = NATURES.get(text.replace("’", "'").lower())
    if found is None:
        raise CellError("unknown_nature", f"{text!r} is no kind of sale")
    return found


@lru_cache(maxsize=65_536)
def cents(text: str) -> str:
    """Euro cents from `251500,00` or `109000.0`; empty for empty."""
    if not text:
        return ""
    whole, _, fraction = text.replace(",", ".").partition(".")
    if whole.isdecimal() and (not fraction or fraction.isdecimal()) and whole.isascii():
        value = int(whole) * 100 + int((fraction + "00")[:2])
    else:
        value = round(_float(text, "invalid_price") * 100)
    if not 0 <= value < _MAX_CENTS:
        raise CellError("invalid_price", f"{text!r} is no price")
    return str(value)


def _float(text: str, code: str = "invalid_number") -> float:
    try:
        # Python reads digits of all scripts and underscores; the database does not.
        value = float(text.replace(",", ".")) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise CellError(code, f"{text!r} is no number")
    return value


@lru_cache(maxsize=65_536)
def whole(text: str) -> int:
    """A count or an area, 0 for empty; fractions of a square metre are cut off."""
    if not text:
        return 0
    value = int(text) if text.isdecimal() and text.isascii() else int(_float(text))
    if not 0 <= value < _MAX_NUMBER:
        raise CellError("invalid_number", f"{text!r} is no number")
    return value


def positive(text: str) -> str:
    """A count or area as text, empty for 0 and empty."""
    value = whole(text)
    return str(value) if value else ""


@lru_cache(maxsize=4096)
def bare(text: str) -> str:
    """A code without the `.0` that a re-save has added."""
    return text.removesuffix(".0")


@lru_cache(maxsize=65_536)
def postal_code(text: str) -> str:
    """Five digits, with lost zeros put back; empty when it cannot be one."""
    text = bare(text)
    return text.zfill(5) if text.isdecimal() and text.isascii() and len(text) <= 5 else ""


@lru_cache(maxsize=65_536)
def insee_code(department: str, commune: str) -> str:
    """The commune's five characters from the raw file's two columns, zeros put back (`1`, `53` is 01053)."""
    department, commune = bare(department).zfill(2).upper(), bare(commune)
    if len(department) == 3:
        # Overseas the commune's number may repeat the last figure of its department.
        code = department[:2] + commune if len(commune) == 3 else department + commune.zfill(2)
    else:
        code = department + commune.zfill(3)
    return checked_code(code)


@lru_cache(maxsize=65_536)
def checked_code(text: str) -> str:
    """An INSEE code with its lost zero put back."""
    code = bare(text).upper().zfill(5)
    if not CODE.match(code):
        raise CellError("invalid_commune", f"{text!r} is no INSEE code of a commune")
    return code


def parcel(commune: str, prefix: str, section: str, plan: str) -> str:
    """The 14 characters of a cadastral parcel from the raw file's columns."""
    if not section or not plan:
        raise CellError("no_parcel", "the row names no cadastral parcel")
    return commune + bare(prefix).zfill(3) + bare(section).zfill(2) + bare(plan).zfill(4)


def coordinate(text: str, limit: int) -> str:
    """Degrees up to `limit`, as they were; empty for empty."""
    if not text or -limit <= _float(text) <= limit:
        return text
    raise CellError("invalid_number", f"{text!r} is no place on Earth")
