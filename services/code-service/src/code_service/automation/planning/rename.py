"""The plan of `fienta.rename_codes`: numbered after a prefix, or by pairs of old and new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from pathlib import Path

from code_service.automation.planning.matching import matching
from code_service.automation.planning.model import PlanError, PlannedRow, is_code, without_repeats
from code_service.automation.planning.source import (
    CODE_COLUMNS,
    CREATED_COLUMNS,
    SourceRow,
    column_name,
    read_plain,
    read_source,
)
from code_service.exchange.table import normal_name
from code_service.fienta.port import normalised

_SHOWN = ("%d.%m.%Y %H:%M", "%d.%m.%Y")
_HEADERS = frozenset(("old", "old_code", "code", "from", "before"))


@dataclass(frozen=True, slots=True)
class RenameOptions:
    """How codes are chosen, and what they become: `prefix` and a number of at least `pad_length` digits.

    `limit` is the most codes to rename. `starts_with` and `regex` (found anywhere) choose by the code,
    `created_at_includes` by a part of the cell in the created column, such as `12.09.2025` or `2025-09`.
    """

    prefix: str = ""
    pad_length: int = 2
    start: int = 1
    limit: int | None = None
    code_column: str | None = None
    created_column: str | None = None
    created_at_includes: str | None = None
    skip_rows: int = 0
    regex: str | None = None
    starts_with: str | None = None
    skip_already_prefixed: bool = True


def plan_rename(path: Path, options: RenameOptions) -> list[PlannedRow]:
    """Number the chosen codes of a file with a header, in its order.

    A number whose code the file has already is passed over. Raises PlanError for a file or options that
    make no plan.
    """
    names, rows = read_source(path, column=options.code_column, skip=options.skip_rows)
    return _plan(names, rows, options)


def plan_list(path: Path, options: RenameOptions, *, delimiter: str | None = None) -> list[PlannedRow]:
    """Number the codes of a plain list, which may have no header: `code_column` is a number or a name, None
    the first. The rest is as for `plan_rename`.
    """
    rows = read_plain(path, 1, delimiter)
    names, place = _list_column(rows, options.code_column)
    listed = [SourceRow(line, cells[place] if place < len(cells) else "", {}) for line, cells in rows]
    return _plan([], listed[options.skip_rows + bool(names) :], options)


def _list_column(rows: Sequence[tuple[int, list[str]]], column: str | None) -> tuple[list[str], int]:
    """The header, if the list has one, and where in a row the code is."""
    header = [normal_name(cell) for cell in rows[0][1]] if rows else []
    if column is not None and not (column.isascii() and column.isdigit() and int(column) > 0):
        return header, header.index(column_name(header, column, ()))
    place = int(column) - 1 if column is not None else 0
    is_header = place < len(header) and header[place] in _HEADERS | set(CODE_COLUMNS)
    return (header if is_header else []), place


def _plan(names: Sequence[str], rows: Sequence[SourceRow], options: RenameOptions) -> list[PlannedRow]:
    if not options.prefix:
        raise PlanError("a prefix is needed, or a file of pairs")
    chosen = _chosen(names, rows, options)
    if not chosen:
        raise PlanError("no code of the file is chosen")
    free = _free_names(options, {normalised(row.code) for row in rows})
    return list(_numbered(chosen, free, options))


def _chosen(names: Sequence[str], rows: Sequence[SourceRow], options: RenameOptions) -> list[SourceRow]:
    chosen = [row for row in rows if row.code]
    if options.starts_with:
        start = normalised(options.starts_with)
        chosen = [row for row in chosen if normalised(row.code).startswith(start)]
    if options.created_at_includes:
        column = column_name(names, options.created_column, CREATED_COLUMNS)
        chosen = [
            row for row in chosen if options.created_at_includes in _as_shown(row.cells.get(column, ""))
        ]
    if options.regex:
        hits = matching(options.regex, [row.code for row in chosen])
        chosen = [row for row, hit in zip(chosen, hits, strict=True) if hit]
    return chosen


def _as_shown(cell: str) -> str:
    """A time in the two ways in which files write it: a workbook's has no form of its own."""
    for pattern in (None, *_SHOWN):
        try:
            # Only its form changes: no zone is needed.
            found = datetime.strptime(cell, pattern) if pattern else datetime.fromisoformat(cell)  # noqa: DTZ007
        except ValueError:
            continue
        return f"{cell} {found.isoformat(' ')} {found:{_SHOWN[0]}}"
    return cell


def _free_names(options: RenameOptions, taken: set[str]) -> Iterator[str]:
    for number in count(options.start):
        name = f"{options.prefix}{number:0{options.pad_length}}"
        if normalised(name) not in taken:
            yield name


def _numbered(
    chosen: Sequence[SourceRow], free: Iterator[str], options: RenameOptions
) -> Iterator[PlannedRow]:
    seen: dict[str, int] = {}
    left = len(chosen) if options.limit is None else options.limit
    prefix = normalised(options.prefix)
    for source in chosen:
        row = PlannedRow(source.line, source.code)
        line = seen.setdefault(normalised(source.code), source.line)
        if line != source.line:
            yield row.refused(f"line {line} has this code already")
        elif options.skip_already_prefixed and normalised(source.code).startswith(prefix):
            yield row.skipped(f"begins with {options.prefix} already")
        elif left > 0:
            left -= 1
            yield _checked(replace(row, new_code=next(free)))


def plan_pairs(path: Path, *, limit: int | None = None) -> list[PlannedRow]:
    """Rows `old,new`, with or without a header, in an order in which each new name is free when it is due.

    Raises PlanError for a file that cannot be used at all.
    """
    rows = read_plain(path, 2)
    if rows and normal_name(rows[0][1][0]) in _HEADERS:
        rows = rows[1:]
    planned = without_repeats(
        [_checked(PlannedRow(line, cells[0], new_code=cells[1])) for line, cells in rows]
    )
    if not planned:
        raise PlanError("the file has no pairs")
    return _in_order(_one_each(planned))[:limit]


def _checked(row: PlannedRow) -> PlannedRow:
    assert row.new_code is not None, "renaming needs a name"
    if not is_code(row.code):
        return row.refused("the old code is not a code")
    if not is_code(row.new_code):
        return row.refused(f"{row.new_code!r} cannot be a code: 1 to 64 letters, digits, dots, - or _")
    if row.code == row.new_code:
        return row.skipped("has this name already")
    return row


def _one_each(rows: Sequence[PlannedRow]) -> list[PlannedRow]:
    """Of rows with one new name only the first stays."""
    first: dict[str, int] = {}
    out = []
    for row in rows:
        if row.state == "pending":
            line = first.setdefault(normalised(row.new_code or ""), row.line)
            if line != row.line:
                row = row.refused(f"line {line} gives the name {row.new_code} to another code")
        out.append(row)
    return out


def _in_order(rows: Sequence[PlannedRow]) -> list[PlannedRow]:
    """A row whose new name is another row's old one comes after it; a circle cannot be done."""
    by_old = {normalised(row.code): row for row in rows if row.state == "pending"}
    done: dict[int, PlannedRow] = {}
    for row in rows:
        chain, current = [], row
        while current.line not in done and current not in chain:
            chain.append(current)
            follower = by_old.get(normalised(current.new_code or "")) if current.state == "pending" else None
            if follower is None or follower is current:
                break
            current = follower
        circle = chain[chain.index(current) :] if current in chain and current is not chain[-1] else []
        for one in reversed(chain):
            refused = one.refused("this pair and others rename in a circle; use a name in between")
            done[one.line] = refused if one in circle else one
    return list(done.values())
