"""Records of a server → rows of the imports' staging table, or rejections."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from campaign_service.contacts.definitions.values import ANYTHING, Rules
from campaign_service.imports.headers import Columns, MappingError, custom_key, map_columns
from campaign_service.imports.rows import RowConverter, RowRejectedError, as_written
from shared.errors import PermanentError

_MOST_FIELDS = 200
_DEEPEST = 3
_CUSTOM = ("custom_fields", "custom")


@dataclass
class Converted:
    """`rows` is COPY CSV. `repeated` counts records that went into another one of their page."""

    rows: list[bytes] = field(default_factory=list)
    rejections: list[list[Any]] = field(default_factory=list)
    repeated: int = 0


def convert(
    items: Sequence[Any], mapping: Mapping[str, str | None], first_line: int, rules: Rules = ANYTHING
) -> Converted:
    """Records as rows, numbered from `first_line`. Of one address the later record's values count.

    Raises PermanentError when the records as such cannot be contacts.
    """
    found = Converted()
    records: list[tuple[int, Any, dict[str, str]]] = []
    for line, item in enumerate(items, first_line):
        if isinstance(item, dict):
            records.append((line, item, dict(_flat(item))))
        else:
            found.rejections.append([line, "not_an_object", "the record is not an object", _raw(item)])
    columns = _columns(list(dict.fromkeys(name for record in records for name in record[2])), mapping, rules)
    converter = RowConverter(columns, rules)
    for line, item, cells in _without_repeats(records, columns, found):
        try:
            text = converter.copy_line(line, [cells.get(name, "") for name in columns.header])
            found.rows.append(text.encode())
        except RowRejectedError as error:
            found.rejections.append([line, error.code, error.reason, _raw(item)])
    return found


def _columns(names: list[str], mapping: Mapping[str, str | None], rules: Rules) -> Columns:
    if len(names) > _MOST_FIELDS:
        raise PermanentError(f"the source's records have more than {_MOST_FIELDS} fields")
    given = {name: target for name, target in mapping.items() if name in names}
    keys = {custom_key(name) for name in names} | {str(target)[7:] for target in given.values()}
    for name in names:
        head, _, key = name.partition(".")
        if key and head in _CUSTOM and name not in given:
            # A field of the server's own name goes before a custom field of the same one.
            is_new = bool(custom_key(key)) and custom_key(key) not in keys and rules.takes(custom_key(key))
            given[name] = f"custom.{custom_key(key)}" if is_new else None
            keys.add(custom_key(key))
    if "email" not in given.values():
        names = [*names, *(() if "email" in names else ("email",))]
    try:
        return map_columns(names, given, rules)
    except MappingError as error:
        raise PermanentError(f"the source's records do not fit: {error}") from error


def _without_repeats(
    records: list[tuple[int, Any, dict[str, str]]], columns: Columns, found: Converted
) -> Iterator[tuple[int, Any, dict[str, str]]]:
    """Records of one address in one: later values that are not empty, all tags."""
    address = columns.header[columns.fields["email"]]
    tags = columns.header[columns.fields["tags"]] if "tags" in columns.fields else None
    kept: dict[str, tuple[int, Any, dict[str, str]]] = {}
    for line, item, cells in records:
        key = cells.get(address, "").strip().lower() or str(line)
        if key in kept:
            found.repeated += 1
            before = kept.pop(key)[2]
            both = [part for part in (before.get(tags or ""), cells.get(tags or "")) if part]
            cells = before | {name: value for name, value in cells.items() if value}
            if tags and both:
                cells[tags] = ",".join(both)
        kept[key] = (line, item, cells)
    yield from kept.values()


def _flat(item: Mapping[str, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, str]]:
    """`{"company": {"name": "Ada"}}` → `company.name`, `Ada`."""
    for key, value in item.items():
        name = prefix + _text(key)
        if isinstance(value, dict) and depth < _DEEPEST:
            yield from _flat(value, name + ".", depth + 1)
        elif name:
            yield name, _cell(value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(_cell(part) for part in value if not isinstance(part, list | dict))
    return _text(json.dumps(value) if isinstance(value, dict) else str(value))


def _text(value: str) -> str:
    """Half a surrogate pair, which JSON may hold, is no text that can be stored."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _raw(item: Any) -> str:
    return as_written(_text(json.dumps(item, ensure_ascii=False)))
