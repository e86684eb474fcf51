"""Rows of a file of codes: how they are read, and why one is not taken."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from code_service.codes.schemas import CODE_PATTERN, METADATA_BYTES, RESERVED
from code_service.exchange.table import Table, UnreadableFileError, as_record, normal_name, split_header
from code_service.generation.repository import NewCode
from code_service.orders.values import as_utc

_CODE = re.compile(CODE_PATTERN + r"\Z")
_POOL = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)*\Z")
_TYPES = ("discount", "free_ticket", "upgrade")
_MAX_LIMIT = 1_000_000
_MAX_CELL = 1000
#: Header, without case and with spaces as underscores, to field. All others go into the metadata.
_HEADERS = {
    "code": "code",
    "discount_code": "code",
    "type": "type",
    "pool": "pool",
    "expires_at": "expires_at",
    "expires": "expires_at",
    "limit_per_order": "limit_per_order",
    "order_limit": "limit_per_order",
    "limit_per_ticket": "limit_per_ticket",
    "ticket_limit": "limit_per_ticket",
}
#: Columns of our own export that say what became of a code; an import makes new ones.
_IGNORED = frozenset(
    ("status", "sync_state", "recipient", "reference", "allocated_at", "used_at", "created_at", "metadata")
)
_DATES = ("%d.%m.%Y %H:%M", "%d.%m.%Y")


class RowError(ValueError):
    """One row cannot become a code."""

    def __init__(self, reason_code: str, reason: str) -> None:
        super().__init__(reason)
        self.reason_code = reason_code


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a row has whose file does not say."""

    type: str = "discount"
    pool: str = "default"
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its line number; `raw` is for the report."""

    line: int
    cells: Mapping[str, str]
    raw: str


def rows_of(table: Table) -> Iterator[Row]:
    """The rows of a table with a header; raises UnreadableFileError for what is not a table of codes."""
    names, rows = split_header(table)
    if "code" not in map(field_of, names):
        raise UnreadableFileError("the file has no column named code")
    for line, cells in rows:
        yield Row(line, as_record(names, cells), ";".join(cells)[:_MAX_CELL])


def field_of(header: str) -> str | None:
    """The field that a column fills; None for one that goes into the metadata."""
    return _HEADERS.get(normal_name(header))


def parse(row: Row, defaults: Defaults) -> NewCode:
    """The code of a row; raises RowError."""
    fields = {field: value for name, value in row.cells.items() if (field := field_of(name))}
    extra = {
        name[:100]: value[:_MAX_CELL]
        for name, value in row.cells.items()
        if name and value and field_of(name) is None and name.lower() not in _IGNORED
    }
    if len(orjson.dumps(extra)) > METADATA_BYTES:
        raise RowError("too_long", f"the other columns have more than {METADATA_BYTES:,} bytes together")
    code = fields.get("code", "")
    if "\n" in code:
        raise RowError("invalid_code", "the code goes over several lines: a quotation mark is not closed")
    if not _CODE.match(code) or code.upper() in RESERVED:
        raise RowError("invalid_code", "a code has 1 to 64 letters, digits, dots, hyphens or underscores")
    return NewCode(
        code=code,
        type=_chosen("type", fields.get("type") or defaults.type),
        pool=_chosen("pool", fields.get("pool") or defaults.pool),
        expires_at=_date(fields.get("expires_at", "")) or defaults.expires_at,
        limit_per_order=_limit(fields.get("limit_per_order", "")),
        limit_per_ticket=_limit(fields.get("limit_per_ticket", "")),
        metadata=extra,
        line=row.line,
    )


def _chosen(field: str, value: str) -> str:
    lowered = value.lower()
    if field == "type" and lowered not in _TYPES:
        raise RowError("invalid_type", f"a type is one of {', '.join(_TYPES)}")
    if field == "pool" and (not _POOL.match(lowered) or len(lowered) > 64):
        raise RowError("invalid_pool", "a pool's name has letters, digits, hyphens and underscores")
    return lowered


def _limit(text: str) -> int | None:
    if not text:
        return None
    # Tables that were saved again by a program that knows no whole numbers have "2.0".
    number = text.removesuffix(".0")
    if not (number.isascii() and number.isdigit() and len(number) < 8 and 1 <= int(number) <= _MAX_LIMIT):
        raise RowError("invalid_limit", "a limit is a whole number from 1")
    return int(number)


def _date(text: str) -> datetime | None:
    """ISO 8601, or `31.12.2026 18:00` as ticket shops write it; without a zone in UTC."""
    if not text:
        return None
    for pattern in (None, *_DATES):
        try:
            # A zone that is missing is added by the caller.
            return as_utc(datetime.strptime(text, pattern) if pattern else datetime.fromisoformat(text))  # noqa: DTZ007
        except ValueError:
            continue
    raise RowError("invalid_date", "a date is written like 2026-12-31T18:00:00Z or 31.12.2026 18:00")


def split(rows: Sequence[Row], defaults: Defaults) -> tuple[list[NewCode], list[tuple[int, str, str, str]]]:
    """What can be stored of some rows, and the others with line, reason code, reason and text."""
    good: list[NewCode] = []
    bad: list[tuple[int, str, str, str]] = []
    for row in rows:
        try:
            good.append(parse(row, defaults))
        except RowError as error:
            bad.append((row.line, error.reason_code, str(error), row.raw))
    return good, bad
