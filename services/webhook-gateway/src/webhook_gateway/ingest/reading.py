"""What a webhook's body must be for its type, how many records it holds, and the key that tells repeats."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson

from shared.errors import ValidationError

_POWERMTA_TYPES = frozenset({"d", "b", "t", "tq", "r", "f", "rb", "rs"})
_MAX_CELL = 1024 * 1024
_MAX_FORM_FIELDS = 500


class MalformedWebhookError(ValidationError):
    """The body is not what its source sends; the message names the place."""

    code = "MALFORMED_WEBHOOK"


@dataclass(frozen=True, slots=True)
class Reading:
    """`text` is the body as it is published. `key` is what the sender gives to tell deliveries apart, if it
    does; `label` is the part of it that the sender knows as its id.
    """

    text: str
    records: int = 1
    key: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Raw:
    """A body as received; `headers` by lower-case name."""

    body: bytes
    content_type: str
    headers: Mapping[str, str]


def read(source_type: str, raw: Raw, event_id_pointer: str | None) -> Reading:
    """Check a body against the rules of its type. Raises `MalformedWebhookError`."""
    if not raw.body.strip() and source_type != "test":
        raise MalformedWebhookError("The body is empty", field="body")
    match source_type:
        case "powermta":
            return _read_powermta(raw)
        case "mailwizz":
            return _read_mailwizz(raw)
        case "make":
            return _read_make(raw)
        case "fienta":
            return _read_fienta(raw)
        case "twilio":
            return _read_twilio(raw)
        case _:
            return _read_any(raw, event_id_pointer)


def dedupe_key(source_type: str, reading: Reading, digest: bytes) -> bytes:
    """32 bytes that are equal for repeats: of the sender's id where there is one, else of the body."""
    if reading.key is None:
        return digest
    return hashlib.sha256(f"{source_type}\x00{reading.key}".encode("utf-8", "surrogatepass")).digest()


def _text(raw: Raw) -> str:
    try:
        return raw.body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedWebhookError(f"The body is not UTF-8 at byte {error.start}", field="body") from None


def _json(raw: Raw) -> Any:
    text = _text(raw)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise MalformedWebhookError(f"The body is not JSON: {error}", field="body") from None


def _json_object(raw: Raw) -> dict[str, Any]:
    value = _json(raw)
    if not isinstance(value, dict):
        raise MalformedWebhookError("The body must be a JSON object", field="body")
    return value


def _is_json(raw: Raw) -> bool:
    kind = raw.content_type.partition(";")[0].strip().lower()
    return kind in ("", "application/json", "text/json") or kind.endswith("+json")


def _is_form(raw: Raw) -> bool:
    return raw.content_type.lower().startswith("application/x-www-form-urlencoded")


def _form(raw: Raw) -> dict[str, str]:
    try:
        return dict(parse_qsl(_text(raw), keep_blank_values=True, max_num_fields=_MAX_FORM_FIELDS))
    except ValueError:
        raise MalformedWebhookError("The form has too many fields", field="body") from None


def _read_powermta(raw: Raw) -> Reading:
    """A JSON array of records, one record, or CSV rows with or without the header line."""
    # Remote servers' diagnostics may hold any bytes; losing a whole batch for one would be worse.
    text = raw.body.decode("utf-8-sig", errors="replace")
    if text.lstrip()[:1] in ("[", "{"):
        return Reading(text, _count_json_records(raw))
    return Reading(text, _count_csv_records(text))


def _count_json_records(raw: Raw) -> int:
    value = _json(raw)
    records = value if isinstance(value, list) else [value]
    for index, record in enumerate(records):
        if not isinstance(record, dict):
            raise MalformedWebhookError(f"Record {index} is not an object", field=f"[{index}]")
        kind = next((record[name] for name in record if name.lower() == "type"), None)
        if not isinstance(kind, str) or not kind:
            raise MalformedWebhookError(f"Record {index} has no type", field=f"[{index}].type")
    return len(records)


def _count_csv_records(text: str) -> int:
    csv.field_size_limit(_MAX_CELL)
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns = 0
    count = 0
    try:
        for row in rows:
            if not row:
                continue
            if not columns and row[0].strip().lower() == "type":
                columns = len(row)
                continue
            _check_row(row, columns, rows.line_num)
            count += 1
    except csv.Error as error:
        raise MalformedWebhookError(
            f"Line {rows.line_num} is not CSV: {error}", field=f"line {rows.line_num}"
        ) from None
    return count


def _check_row(row: list[str], columns: int, line: int) -> None:
    kind = row[0].strip()
    # With a header, types we do not know pass: newer servers may have them. Without one, only the known
    # types tell a record from something that is no accounting file at all.
    if not kind.isalnum() or len(kind) > 8 or (not columns and kind not in _POWERMTA_TYPES):
        raise MalformedWebhookError(f"Line {line} does not begin with a record type", field=f"line {line}")
    if columns and len(row) > columns:
        raise MalformedWebhookError(
            f"Line {line} has {len(row)} cells, the header has {columns}", field=f"line {line}"
        )


def _read_mailwizz(raw: Raw) -> Reading:
    value = _json_object(raw)
    kind = _at(value, "event", "type")
    if not isinstance(kind, str) or not kind:
        raise MalformedWebhookError("event.type is missing", field="event.type")
    if not isinstance(_at(value, "subscriber", "attributes"), dict):
        raise MalformedWebhookError("subscriber.attributes is missing", field="subscriber.attributes")
    parts = (
        kind,
        _at(value, "campaign", "attributes", "campaign_uid"),
        _at(value, "subscriber", "attributes", "subscriber_uid"),
        value.get("timestamp") or _at(value, "event", "date_added"),
        _at(value, "event", "url") or _at(value, "event", "destination") or value.get("url"),
        _at(value, "event", "ip_address"),
    )
    return Reading(_text(raw), key="|".join(str(part) for part in parts))


def _read_make(raw: Raw) -> Reading:
    value = _json_object(raw)
    event_id = value.get("event_id")
    if isinstance(event_id, bool) or not isinstance(event_id, str | int) or not str(event_id).strip():
        raise MalformedWebhookError("Missing event_id", field="event_id")
    # Scenarios often give the id of the order, so what happened to it tells events apart.
    label, kind = str(event_id).strip(), value.get("event_type")
    return Reading(_text(raw), key=f"{label}|{kind}" if isinstance(kind, str) else label, label=label)


def _read_fienta(raw: Raw) -> Reading:
    """Order, ticket or validation. Fienta sends no delivery id, and one order may change without changing its
    status, so only an equal body is a repeat.
    """
    if _is_form(raw):
        return Reading(_text(raw))
    value = _json_object(raw)
    if _at(value, "order", "id") is None and _at(value, "ticket", "order", "id") is None:
        raise MalformedWebhookError("Neither order nor ticket has an order id", field="order.id")
    return Reading(_text(raw))


def _read_twilio(raw: Raw) -> Reading:
    if not _is_form(raw):
        _json(raw)
        return Reading(_text(raw))
    form = _form(raw)
    sid = form.get("MessageSid") or form.get("SmsSid") or form.get("CallSid")
    if not sid:
        return Reading(_text(raw))
    status = form.get("MessageStatus") or form.get("SmsStatus") or form.get("CallStatus") or ""
    return Reading(_text(raw), key=f"{sid}|{status}")


def _read_any(raw: Raw, event_id_pointer: str | None) -> Reading:
    """Anything that is text; JSON must be JSON. The id comes from a header or from the configured pointer."""
    value = _json(raw) if _is_json(raw) and raw.body.strip() else None
    key = None
    for name in ("webhook-id", "svix-id", "x-github-delivery", "x-event-id", "idempotency-key"):
        key = key or raw.headers.get(name)
    if key is None and value is not None:
        key = _pointed(
            value, event_id_pointer or ("/id" if "stripe-signature" in raw.headers else "/event_id")
        )
    records = len(value) if isinstance(value, list) else 1
    return Reading(_text(raw), records, key)


def _pointed(value: Any, pointer: str) -> str | None:
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, dict):
            value = value.get(name)
        else:
            return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value) or None


def _at(value: Any, *names: str) -> Any:
    """The value at a path of keys, None where the path ends early."""
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
