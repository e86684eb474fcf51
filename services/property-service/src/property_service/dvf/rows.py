"""Rows of both layouts as lines of COPY text for the staging table.

Hashes group rows without looking at their order or at the unstable `id_mutation`: `deal` is what rows of one
mutation have in common wherever they lie (department, date, nature, disposition, price), `mutation` adds the
commune. The merge decides which communes of a deal belong together. `unit` is what tells buildings apart, 0
for land and dependencies; `part` a parcel and its use. They hold within one run of the reader and are stored
nowhere.

`slot` becomes the id of a sale: it follows from day, parcel, lots and kind alone, so it is the same in every
release and format of the data, and begins with the code of the commune.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import md5
from typing import NamedTuple

from property_service.dvf.address import street_key, street_name
from property_service.dvf.layouts import Cells, Layout
from property_service.dvf.values import (
    NOMINAL_CENTS,
    CellError,
    bare,
    cents,
    checked_code,
    coordinate,
    insee_code,
    iso_date,
    nature,
    parcel,
    positive,
    postal_code,
    whole,
)
from property_service.places.departments import CODE, department_of
from property_service.places.names import plain

COLUMNS = (
    "deal",
    "mutation",
    "sold",
    "nature",
    "cents",
    "slot",
    "unit",
    "part",
    "kind",
    "city",
    "parcel",
    "lots",
    "number",
    "suffix",
    "is_fictitious",
    "street",
    "street_key",
    "postal",
    "surface",
    "rooms",
    "land",
    "latitude",
    "longitude",
)
#: House numbers from here on are invented by the land registry for places without numbers.
FICTITIOUS_NUMBER = 5000
LONGEST_PARCEL = 20
_KINDS = frozenset(("", "1", "2", "3", "4"))
_BUILDINGS = frozenset(("1", "2", "4"))


class Communes:
    """Communes that the rows name: for those the place table does not have yet."""

    def __init__(self) -> None:
        self._met: set[tuple[str, str, str]] = set()
        self.names: dict[str, str] = {}
        self.postal_codes: dict[str, set[str]] = {}
        self.merged: dict[str, tuple[str, str]] = {}

    def note(self, code: str, name: str, postal: str, former: str = "", former_name: str = "") -> None:
        if (code, postal, former) in self._met:
            return
        self._met.add((code, postal, former))
        self.names.setdefault(code, plain(name))
        self.postal_codes.setdefault(code, set()).update(filter(None, (postal,)))
        if former and former != code:
            self.merged[former] = (code, plain(former_name))

    def as_json(self) -> dict[str, object]:
        """`communes`: [code, name, postal codes]; `merged`: former code to [today's code, former name]."""
        return {
            "communes": [[code, name, sorted(self.postal_codes[code])] for code, name in self.names.items()],
            "merged": self.merged,
        }


class Deal(NamedTuple):
    """What rows of one mutation share; `text` is deal, mutation, sold, nature and cents for the stage."""

    text: str
    day: str
    cents: int
    department: str


class Converter:
    """Turns cells into staging text; remembers the communes it has met."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._convert = self._geo if layout.name == "geo" else self._raw
        self.communes = Communes()
        #: Sum of the prices of all rows, in cents: what counting a mutation once a row would give.
        self.naive_cents = 0
        #: Of the row converted last.
        self.department = ""

    def copy_line(self, line: str) -> str | None:
        """Staging text of a line, None for an empty one. Raises CellError."""
        cells = self._layout.split(line)
        if len(cells) != self._layout.width:
            if not line.strip(self._layout.delimiter + ' "'):
                return None
            raise CellError("columns", f"the row has {len(cells)} columns instead of {self._layout.width}")
        return self._convert(self._layout.pick(cells))

    def _geo(self, cells: Cells) -> str:
        (sold, disposition, kind_of_sale, value, number, suffix, street, postal, code, name, former_code,
         former_name, parcel_id, former_parcel, lot1, lot2, lot3, lot4, lot5, kind, surface, rooms, culture,
         special, land, longitude, latitude) = cells  # fmt: skip
        code = checked_code(code)
        former = checked_code(former_code) if former_code else ""
        place = former or code
        if not parcel_id:
            raise CellError("no_parcel", "the row names no cadastral parcel")
        postal = postal_code(postal)
        self.communes.note(code, name, postal, former, former_name)
        return _line(
            self._deal(sold, kind_of_sale, disposition, value, place), code, former_parcel or parcel_id,
            _lots(lot1, lot2, lot3, lot4, lot5), kind, _address(number, suffix, street_name("", street)),
            postal, surface, rooms, (culture, special, land), land, latitude, longitude,
        )  # fmt: skip

    def _raw(self, cells: Cells) -> str:
        (disposition, sold, kind_of_sale, value, number, suffix, street_kind, street, postal, name,
         department, commune, prefix, section, plan, lot1, lot2, lot3, lot4, lot5, kind, surface, rooms,
         culture, special, land) = cells  # fmt: skip
        code = insee_code(department, commune)
        postal = postal_code(postal)
        self.communes.note(code, name, postal)
        return _line(
            self._deal(sold, kind_of_sale, disposition, value, code), code,
            parcel(code, prefix, section, plan), _lots(lot1, lot2, lot3, lot4, lot5), kind,
            _address(number, suffix, street_name(street_kind, street)), postal, surface, rooms,
            (culture, special, land), land, "", "",
        )  # fmt: skip

    def _deal(self, *facts: str) -> Deal:
        deal = _deal(*facts)
        self.naive_cents += deal.cents
        self.department = deal.department
        return deal


@lru_cache(maxsize=4096)
def _deal(sold: str, kind_of_sale: str, disposition: str, value: str, place: str) -> Deal:
    """Rows of a mutation mostly follow each other, so this is mostly cached."""
    day, kind, price = iso_date(sold), nature(kind_of_sale), cents(value)
    # Where no real price tells deals apart, communes do.
    shared = "" if price and int(price) > NOMINAL_CENTS else place
    department = department_of(place)
    deal = (department, day, kind, whole(disposition), price, shared)
    text = f"{hash(deal)},{hash((deal, place))},{day},{kind},{price}"
    return Deal(text, day, int(price or 0), department)


def _lots(first: str, *others: str) -> str:
    if not any(others):
        return plain(bare(first)) if first else ""
    return "+".join(sorted(filter(None, (plain(bare(number)) for number in (first, *others)))))


def _address(number: str, suffix: str, street: str) -> str:
    """number, suffix, is_fictitious, street and street_key."""
    value = whole(number)
    if not value:
        return f",,f,{street},{street_key(street)}"
    if value >= FICTITIOUS_NUMBER:
        return f",,t,{street},{street_key(street)}"
    return f"{value},{plain(suffix) if suffix else ''},f,{street},{street_key(street)}"


@lru_cache(maxsize=65_536)
def _is_code(text: str) -> bool:
    return CODE.match(text) is not None


def _parcel(text: str) -> str:
    # A parcel begins with the code of its commune at the time; ids of sales do too.
    if text.isalnum() and text.isascii() and len(text) <= LONGEST_PARCEL and _is_code(text[:5]):
        return text
    raise CellError("no_parcel", f"{text!r} is no cadastral parcel")


def _line(
    deal: Deal, city: str, parcel_id: str, lots: str, kind: str, address: str, postal: str, surface: str,
    rooms: str, use: object, land: str, latitude: str, longitude: str,
) -> str:  # fmt: skip
    kind = bare(kind)
    if kind not in _KINDS:
        raise CellError("unknown_type", f"{kind!r} is no type of building")
    area, count, parcel_id = positive(surface), positive(rooms), _parcel(parcel_id)
    slot = md5(f"{deal.day}|{parcel_id}|{lots}|{kind or 0}".encode(), usedforsecurity=False).hexdigest()
    unit = hash((kind, parcel_id, lots, address, area, count)) if kind in _BUILDINGS else 0
    # Quotes keep an empty text from being read as NULL.
    return (
        f"{deal.text},{parcel_id[:5]}{slot[5:12]}8{slot[13:16]}8{slot[17:]},{unit},{hash((parcel_id, use))},"
        f'{kind or 0},{city},{parcel_id},"{lots}",{address},'
        f"{postal},{area},{count},{positive(land)},{coordinate(latitude, 90)},{coordinate(longitude, 180)}\n"
    )
