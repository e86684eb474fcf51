"""The two layouts of DVF files, told apart by their header.

geo-dvf: 40 columns, commas, UTF-8, written by Etalab and data.gouv.fr. Raw: 43 columns, bars, written by the
tax administration; copies of it may have lost or gained columns (an index in front).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from operator import itemgetter

from property_service.dvf.values import CellError
from property_service.places.names import plain

_GEO = [
    "date_mutation",
    "numero_disposition",
    "nature_mutation",
    "valeur_fonciere",
    "adresse_numero",
    "adresse_suffixe",
    "adresse_nom_voie",
    "code_postal",
    "code_commune",
    "nom_commune",
    "ancien_code_commune",
    "ancien_nom_commune",
    "id_parcelle",
    "ancien_id_parcelle",
    "lot1_numero",
    "lot2_numero",
    "lot3_numero",
    "lot4_numero",
    "lot5_numero",
    "code_type_local",
    "surface_reelle_bati",
    "nombre_pieces_principales",
    "code_nature_culture",
    "code_nature_culture_speciale",
    "surface_terrain",
    "longitude",
    "latitude",
]
_RAW = [
    "No disposition",
    "Date mutation",
    "Nature mutation",
    "Valeur fonciere",
    "No voie",
    "B/T/Q",
    "Type de voie",
    "Voie",
    "Code postal",
    "Commune",
    "Code departement",
    "Code commune",
    "Prefixe de section",
    "Section",
    "No plan",
    "1er lot",
    "2eme lot",
    "3eme lot",
    "4eme lot",
    "5eme lot",
    "Code type local",
    "Surface reelle bati",
    "Nombre pieces principales",
    "Nature culture",
    "Nature culture speciale",
    "Surface terrain",
]
Cells = Sequence[str]


class UnreadableFileError(Exception):
    """The file as a whole cannot be imported; `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Layout:
    """How lines of one file are taken apart. `pick` gives the known columns, in the order they are listed."""

    def __init__(self, name: str, delimiter: str, header: Cells, wanted: Sequence[str]) -> None:
        places = {plain(column): place for place, column in enumerate(header)}
        missing = [column for column in wanted if plain(column) not in places]
        if missing:
            raise UnreadableFileError("columns", f"the header has no column {missing[0]!r}")
        self.name = name
        self.delimiter = delimiter
        self.width = len(header)
        self.pick: Callable[[Cells], tuple[str, ...]] = itemgetter(*(places[plain(c)] for c in wanted))

    def split(self, line: str) -> list[str]:
        """The cells of a line. Only the geo layout knows quotes; no cell goes over a line's end.

        Raises CellError.
        """
        if '"' in line and self.name == "geo":
            try:
                return next(csv.reader([line], delimiter=self.delimiter), [])
            except csv.Error as error:
                raise CellError("columns", f"the row cannot be taken apart: {error}") from error
        return line.split(self.delimiter)


def find_layout(header: str) -> Layout:
    """The layout of a file by its first line; raises UnreadableFileError for any other file."""
    header = header.removeprefix("\ufeff").rstrip("\r\n")
    if "|" in header:
        return Layout("raw", "|", header.split("|"), _RAW)
    delimiter = ";" if header.count(";") > header.count(",") else ","
    cells = header.replace('"', "").split(delimiter)
    if plain("id_mutation") not in map(plain, cells) and plain("date_mutation") not in map(plain, cells):
        raise UnreadableFileError("not_dvf", "this is no file of property sales (DVF)")
    return Layout("geo", delimiter, cells, _GEO)
