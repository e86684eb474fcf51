"""La Poste's file of communes and postal codes (`laposte_hexasmal`).

A line is a pair of commune and postal code, or of a commune and a place in it; a commune is what its lines
say together. The header is spelled in two ways, the text is Latin-1 or UTF-8 with or without BOM.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from property_service.places.departments import CODE, POSTAL_CODE
from property_service.places.names import plain
from property_service.places.repository import NewCity
from property_service.places.service import city

_HEADERS = {
    "CODE COMMUNE INSEE": "code",
    "NOM COMMUNE": "name",
    "NOM DE LA COMMUNE": "name",
    "CODE POSTAL": "postal",
    "LIGNE 5": "place",
    "LIBELLE D ACHEMINEMENT": "delivery",
    "COORDONNEES GPS": "gps",
    "GEOPOINT": "gps",
}
_KEPT = 1000
Rejected = tuple[int, str, str, str]


class NotLaPosteError(ValueError):
    """The file is another one; the message says why."""


@dataclass(slots=True)
class Found:
    """What the lines of one commune say."""

    name: str
    postal_codes: set[str] = field(default_factory=set)
    others: dict[str, None] = field(default_factory=dict)
    point: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Communes of a file, rejected lines as (line, code, reason, text), and how many lines there were."""

    cities: list[NewCity]
    rejected: list[Rejected]
    rows: int


def read_places(path: Path) -> Places:
    """The communes of a file; raises NotLaPosteError."""
    found: dict[str, Found] = {}
    rejected: list[Rejected] = []
    rows = 0
    for line, cells in _lines(path.read_bytes()):
        rows += 1
        try:
            _add(found, cells)
        except ValueError as error:
            rejected.append((line, "invalid_code", str(error), ";".join(cells.values())[:_KEPT]))
    cities = [city(code, f.name, f.postal_codes, f.others, f.point) for code, f in found.items()]
    return Places(cities, rejected, rows)


def _lines(data: bytes) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    reader = csv.reader(io.StringIO(text.replace("\x00", ""), newline=""), delimiter=";")
    try:
        fields = [_HEADERS.get(plain(name), "") for name in next(reader, [])]
        if missing := {"code", "name", "postal"} - set(fields):
            raise NotLaPosteError(f"this is not La Poste's file of communes: no column for {min(missing)}")
        for cells in reader:
            if any(cells):
                named = zip(fields, cells, strict=False)
                yield reader.line_num, {field: cell.strip() for field, cell in named if field}
    except csv.Error as error:
        raise NotLaPosteError(f"line {reader.line_num}: {error}") from error


def _add(found: dict[str, Found], cells: Mapping[str, str]) -> None:
    # Files that were saved again have `1004.0` for 01004.
    code, postal = (cells.get(name, "").removesuffix(".0").upper().zfill(5) for name in ("code", "postal"))
    if not CODE.match(code):
        raise ValueError(f"{cells.get('code', '')!r} is no INSEE code of a commune")
    if not POSTAL_CODE.match(postal):
        raise ValueError(f"{cells.get('postal', '')!r} is no postal code")
    if not plain(cells.get("name", "")):
        raise ValueError("the commune has no name")
    known = found.setdefault(code, Found(cells["name"]))
    known.postal_codes.add(postal)
    known.others.update(dict.fromkeys(filter(None, (cells.get("place"), cells.get("delivery")))))
    known.point = known.point or _point(cells.get("gps", ""))


def _point(text: str) -> tuple[float, float] | None:
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError:
        return None
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None
