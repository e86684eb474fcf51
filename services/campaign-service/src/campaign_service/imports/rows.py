"""One row of a file → one line of COPY CSV for the staging table, or a rejection.

The CSV has tabs between values and \\x01 as its quote; cleaned values hold neither, so nothing needs quoting.
An empty value is NULL.

Everything here runs once per row of files with millions of rows, so values are cleaned with as few
operations as the common case needs.
"""

import json
import os
import re
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from json.encoder import encode_basestring

from campaign_service.contacts.address import FAULT_TEXT, parse_address
from campaign_service.contacts.csv_safety import plain_cell
from campaign_service.contacts.definitions.values import ANYTHING, FieldValueError, Rule, Rules
from campaign_service.contacts.fields import CUSTOM_VALUE_LIMIT, LIMITS, country_code, language_code
from campaign_service.imports.headers import Columns, is_our_export
from campaign_service.sms.phones import e164

COPY_OPTIONS = {"delimiter": "\t", "quote": "\x01"}
#: Columns of the staging table, in the order of the COPY CSV.
STAGING_COLUMNS = (
    "line_number",
    "id",
    "email",
    "phone",
    "first_name",
    "last_name",
    "language",
    "country",
    "time_zone",
    "category",
    "custom_fields",
    "tags",
    "phone_e164",
)
RAW_LIMIT = 2000

_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_SLUG_SPLIT = re.compile(r"[,;|]")
_NOT_SLUG = re.compile(r"[^a-z0-9_]+")
_NULL = ""


class RowRejectedError(Exception):
    """A row that cannot become a contact; `code` is stable, `reason` is for people."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def uuid7_hex() -> Iterator[str]:
    """Endless UUIDv7 values as hex, each greater than the one before it."""
    millis = time.time_ns() // 1_000_000
    while True:
        tails = os.urandom(8 * 4096).hex()
        for sequence in range(4096):
            at = sequence * 16
            yield f"{millis:012x}7{sequence:03x}8{tails[at + 1 : at + 16]}"
        millis += 1


def clean(cell: str) -> str:
    """A cell with its blanks (also tabs and line ends) collapsed and control characters dropped."""
    text = " ".join(cell.split())
    return text if text.isprintable() else _CONTROL.sub("", text)


def slug(text: str) -> str:
    """`Real Estate` → `real-estate`, `Genève` → `geneve`; empty when nothing usable is left."""
    if not text.isascii():
        # Accents go, their letters stay; what is left of other scripts is dropped below.
        text = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
        text = "".join(c for c in text if not unicodedata.combining(c))
    value = _NOT_SLUG.sub("-", text.strip().lower())
    return re.sub(r"[-_]*-[-_]*|_{2,}", "-", value).strip("-_")[:64].rstrip("-_")


def _tag_array(cell: str) -> str:
    slugs = sorted({s for part in _SLUG_SPLIT.split(cell) if (s := slug(part))})
    return "{" + ",".join(slugs) + "}" if slugs else _NULL


def _text(field: str) -> Callable[[str], str]:
    limit = LIMITS[field]

    def convert(cell: str) -> str:
        if not cell:
            return _NULL
        text = clean(cell)
        if len(text) > limit:
            raise RowRejectedError("field_too_long", f"{field} is longer than {limit} characters")
        return text

    return convert


def _language(cell: str) -> str:
    return (cell and language_code(cell)) or _NULL


_country_text = _text("country")


def _country(cell: str) -> str:
    return country_code(clean(cell)) if 0 < len(cell) < 40 and cell.strip() else _country_text(cell)


_CONVERTERS: dict[str, Callable[[str], str]] = {
    "phone": _text("phone"),
    "first_name": _text("first_name"),
    "last_name": _text("last_name"),
    "language": _language,
    "country": _country,
    "time_zone": _text("time_zone"),
    "category": _text("category"),
}


class RowConverter:
    """Converts rows of one file; keeps the column positions resolved."""

    def __init__(self, columns: Columns, rules: Rules = ANYTHING) -> None:
        self.width = len(columns.header)
        self._email = columns.fields.get("email")
        self._phone = columns.fields.get("phone")
        self._country = columns.fields.get("country")
        self._full_name = columns.fields.get("full_name")
        self._tags = columns.fields.get("tags")
        self._plan = [(columns.fields.get(name), convert) for name, convert in _CONVERTERS.items()]
        self._custom = [
            (at, f"{encode_basestring(key)}: ", key, rules.fields.get(key)) for at, key in columns.custom
        ]
        self._is_guarded = is_our_export(columns.header)
        self._ids = uuid7_hex()
        self._domains: dict[str, bool] = {}

    def copy_line(self, line_number: int, row: list[str]) -> str:
        """The row as COPY CSV with its line end. Raises RowRejectedError."""
        self._fit(row)
        email = _NULL if self._email is None else self._address(row[self._email])
        number = _NULL if email else self._number(row)
        values = [_NULL if at is None else convert(row[at]) for at, convert in self._plan]
        if self._full_name is not None:
            self._split_name(row[self._full_name], values)
        custom = self._custom_json(row) if self._custom else "{}"
        tags = _NULL if self._tags is None else _tag_array(row[self._tags])
        fields = "\t".join(values)
        return f"{line_number}\t{next(self._ids)}\t{email}\t{fields}\t{custom}\t{tags}\t{number}\n"

    def is_row(self, cells: Sequence[str]) -> bool:
        """Whether cells are a complete row by themselves: an address, or a number where there are none."""
        at = self._phone if self._email is None else self._email
        if at is None or not len(cells) == self.width > at:
            return False
        if self._email is None:
            return e164(cells[at]) is not None
        return parse_address(cells[at]).fault is None

    @staticmethod
    def _address(cell: str) -> str:
        address = parse_address(cell)
        if address.fault == "email_missing":
            return _NULL
        if address.fault:
            raise RowRejectedError(address.fault, FAULT_TEXT[address.fault])
        return address.email

    def _number(self, row: Sequence[str]) -> str:
        """The number of somebody without an e-mail address, who is told from others by it."""
        phone = "" if self._phone is None else clean(row[self._phone])
        if not phone:
            if self._email is None:
                raise RowRejectedError("phone_missing", "no phone")
            raise RowRejectedError("email_missing", FAULT_TEXT["email_missing"])
        country = "" if self._country is None else _country(row[self._country])
        number = e164(phone, country or None)
        if number is None:
            reason = "no e-mail address, and a phone that is not a number in international form"
            raise RowRejectedError("phone_invalid", reason)
        return number

    def _fit(self, row: list[str]) -> None:
        """Short rows are filled up; cells beyond the header must be empty, or the row is out of step.

        What our exports do to cells that begin like a formula is undone.
        """
        if self._is_guarded:
            row[:] = map(plain_cell, row)
        missing = self.width - len(row)
        if missing > 0:
            row.extend([""] * missing)
        elif missing < 0 and any(cell.strip() for cell in row[self.width :]):
            raise RowRejectedError(
                "too_many_columns", f"{len(row)} columns where the header has {self.width}"
            )

    def _custom_json(self, row: Sequence[str]) -> str:
        parts = []
        for at, prefix, key, rule in self._custom:
            value = row[at].strip()
            if not value:
                continue
            if len(value) > CUSTOM_VALUE_LIMIT:
                raise RowRejectedError(
                    "field_too_long", f"a value is longer than {CUSTOM_VALUE_LIMIT} characters"
                )
            value = value.replace("\x00", "")
            parts.append(prefix + (encode_basestring(value) if rule is None else _defined(key, rule, value)))
        return "{" + ", ".join(parts) + "}"

    @staticmethod
    def _split_name(cell: str, values: list[str]) -> None:
        """First and last name from a full name: `Berg, Anna` and `Anna Maria Berg` are both understood."""
        name = _text("first_name")(cell)
        if name == _NULL:
            return
        last, comma, first = name.partition(", ")
        if not comma:
            first, _, last = name.rpartition(" ")
            first, last = (first, last) if first else (last, "")
        values[1] = values[1] if values[1] != _NULL else first or _NULL
        values[2] = values[2] if values[2] != _NULL else last or _NULL


def _defined(key: str, rule: Rule, value: str) -> str:
    """The value of a defined field as JSON."""
    try:
        return json.dumps(rule.read(value), ensure_ascii=False)
    except FieldValueError as error:
        raise RowRejectedError("field_invalid", f"{key} {error}") from None


def as_written(raw: str) -> str:
    """The text of a rejected row as it is kept: without its line end, cut at RAW_LIMIT characters."""
    return raw.rstrip("\r\n")[:RAW_LIMIT].replace("\x00", "\ufffd")
