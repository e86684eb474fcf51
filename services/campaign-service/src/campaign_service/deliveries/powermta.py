"""PowerMTA accounting: CSV files or batches, and the JSON arrays its field forwarders post."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import datetime

from campaign_service.deliveries.classify import classify_bounce, enhanced_status
from campaign_service.deliveries.rows import (
    DeliveryRow,
    Fact,
    ParsedBatch,
    RowIssue,
    clean,
    hash_of,
    parse_time,
)

# The columns PowerMTA writes by default, for batches cut from a file after its header line.
_DEFAULT_HEADER = (
    "type,timelogged,timequeued,orig,rcpt,orcpt,dsnaction,dsnstatus,dsndiag,dsnmta,bouncecat,srctype,srcmta,"
    "dlvtype,dlvsourceip,dlvdestinationip,dlvesmtpavailable,dlvsize,vmta,jobid,envid,queue,vmtapool"
)
DEFAULT_COLUMNS = _DEFAULT_HEADER.split(",")
_IGNORED = frozenset({"r", "tq"})
_FACTS: dict[str, Fact] = {
    "d": "delivered",
    "b": "bounced",
    "t": "deferred",
    "rb": "bounced",
    "f": "complained",
}
# Names older forwarders use for the same things.
_ALIASES = {
    "event": "type",
    "recipient": "rcpt",
    "timestamp": "timelogged",
    "smtp_response": "dsndiag",
    "bounce_category": "bouncecat",
    "message_id": "header_message-id",
}
_TYPE_WORDS = {"delivered": "d", "bounced": "b", "deferred": "t", "complained": "f"}
_MAX_RECORD_LINES = 20
_MAX_RAW = 4000

Record = dict[str, str]


class UnreadableBatchError(ValueError):
    """The body as a whole is neither accounting CSV nor JSON."""


def parse_batch(body: str, now: datetime) -> ParsedBatch:
    """Every row of a body, applied or explained. `now` is when it came in; later times are refused."""
    batch = ParsedBatch()
    text = body.lstrip("\ufeff \t\r\n").replace("\x00", "")
    records = _json_records(text) if text.startswith(("[", "{")) else _csv_records(text)
    for number, record, raw in records:
        _add(batch, number, record, raw, now)
    return batch


def _json_records(text: str) -> Iterator[tuple[int, Record, str]]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableBatchError("the body is not valid JSON") from error
    for number, item in enumerate(parsed if isinstance(parsed, list) else [parsed], start=1):
        raw = clean(json.dumps(item, ensure_ascii=False), _MAX_RAW)
        yield number, _from_mapping(item) if isinstance(item, dict) else {}, raw


def _from_mapping(item: dict[str, object]) -> Record:
    record: Record = {}
    for key, value in item.items():
        name = key.strip().lower()
        record[_ALIASES.get(name, name)] = "" if isinstance(value, (dict, list)) else clean(value)
    record["type"] = _TYPE_WORDS.get(record.get("type", "").lower(), record.get("type", ""))
    return record


def _csv_records(text: str) -> Iterator[tuple[int, Record, str]]:
    columns: list[str] = list(DEFAULT_COLUMNS)
    for number, raw in split_records(text):
        cells = _cells(raw)
        names = [cell.strip().lower() for cell in cells]
        # Joined files repeat the header, perhaps with other columns.
        if "type" in names and "timelogged" in names:
            columns = names
            continue
        yield (
            number,
            {name: clean(cell) for name, cell in zip(columns, cells, strict=False)},
            clean(raw, _MAX_RAW),
        )


def _cells(raw: str) -> list[str]:
    try:
        return next(csv.reader([raw]), [])
    except csv.Error:
        return []


def split_records(text: str) -> Iterator[tuple[int, str]]:
    """(line number, record) of each record; quoted line breaks are kept together.

    A quote that is never closed costs its own line only, not the rest of the batch.
    """
    # Not splitlines(): it would also break at form feeds and U+2028 inside a diagnostic text.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    index = 0
    while index < len(lines):
        end = _record_end(lines, index)
        record = "\n".join(lines[index:end])
        if record.strip():
            yield index + 1, record
        index = end


def _record_end(lines: list[str], start: int) -> int:
    is_open = False
    for end in range(start, min(start + _MAX_RECORD_LINES, len(lines))):
        is_open ^= lines[end].count('"') % 2 == 1
        if not is_open:
            return end + 1
    return start + 1


def _add(batch: ParsedBatch, number: int, record: Record, raw: str, now: datetime) -> None:
    kind = record.get("type", "").lower()
    fact = _remote_status_fact(record) if kind == "rs" else _FACTS.get(kind)
    if kind in _IGNORED or (kind == "f" and record.get("feedbacktype", "").lower() == "not-spam"):
        batch.ignored += 1
        return
    if fact is None:
        batch.issues.append(_rejected(number, record, raw, "unknown_record_type"))
        return
    try:
        moment = parse_time(record.get("timelogged", ""), now)
    except (ValueError, OverflowError, OSError):
        batch.issues.append(_rejected(number, record, raw, "unreadable_time"))
        return
    batch.rows.append(_row(number, record, raw, kind, fact, moment))


def _remote_status_fact(record: Record) -> Fact:
    action = record.get("dsnaction", "").lower()
    if action == "failed":
        return "bounced"
    return "deferred" if action == "delayed" else "delivered"


def _row(number: int, record: Record, raw: str, kind: str, fact: Fact, moment: datetime) -> DeliveryRow:
    status = enhanced_status(record.get("dsnstatus", "")) or enhanced_status(record.get("dsndiag", ""))
    category, diagnostic = record.get("bouncecat", ""), record.get("dsndiag", "")
    return DeliveryRow(
        number=number,
        record_type=kind,
        fact=fact,
        occurred_at=moment,
        address=record.get("rcpt", "").strip("<> ").lower(),
        references=_references(record),
        job_id=record.get("jobid") or record.get("header_x-campaign-id") or record.get("header_x-job") or "",
        status=status,
        diagnostic=diagnostic,
        dedupe_key=_dedupe_key(record, kind, moment),
        raw=raw,
        bounce_class=classify_bounce(category, status, diagnostic) if fact == "bounced" else None,
        detail=_detail(record),
    )


def _references(record: Record) -> tuple[str, ...]:
    names = (
        "envid",
        "header_x-envid",
        "arf_original-envelope-id",
        "orig",
        "header_message-id",
        "arf_original-mail-from",
    )
    return tuple(value for name in names if (value := record.get(name, "")))


def _detail(record: Record) -> dict[str, str]:
    kept = {
        "status": "dsnstatus",
        "diagnostic": "dsndiag",
        "mta": "dsnmta",
        "category": "bouncecat",
        "vmta": "vmta",
        "feedback_type": "feedbacktype",
        "reporter": "useragent",
    }
    return {name: record[column] for name, column in kept.items() if record.get(column)}


def _dedupe_key(record: Record, kind: str, moment: datetime) -> bytes:
    # The time goes in as a number, so that the same row as CSV and as JSON is the same row.
    parts = (record.get(name, "") for name in ("orig", "rcpt", "jobid", "envid", "dsnstatus", "dsndiag"))
    return hash_of("powermta", kind, repr(moment.timestamp()), *parts)


def _rejected(number: int, record: Record, raw: str, reason: str) -> RowIssue:
    return RowIssue(
        number=number,
        kind="rejected",
        reason=reason,
        record_type=record.get("type", "")[:20],
        address=record.get("rcpt", "")[:320],
        raw=raw,
        dedupe_key=hash_of("powermta", "rejected", raw),
    )
