"""One shape for every row a delivery webhook can carry, whatever its format."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

Fact = Literal["delivered", "deferred", "bounced", "complained"]
BounceClass = Literal["hard", "soft", "other"]
IssueKind = Literal["unmatched", "rejected"]

MAX_TEXT = 1000
_EPOCH = re.compile(r"^\d{9,16}(\.\d+)?$")
_AMERICAN = re.compile(r"^(\d\d)/(\d\d)/(\d{4})[ T](.+)$")
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_CLOCK_SKEW = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """What one row says. `references` are texts that may hold our own recipient reference, best first."""

    number: int
    record_type: str
    fact: Fact
    occurred_at: datetime
    address: str
    references: tuple[str, ...]
    job_id: str
    status: str
    diagnostic: str
    dedupe_key: bytes
    raw: str
    bounce_class: BounceClass | None = None
    detail: dict[str, str] = field(default_factory=dict)

    @property
    def bounce_data(self) -> dict[str, str | None]:
        """What the event of a bounce says of it."""
        return {
            "kind": self.bounce_class,
            "category": self.detail.get("category"),
            "status": self.status or None,
            "diagnostic": self.diagnostic or None,
        }


@dataclass(frozen=True, slots=True)
class RowIssue:
    """A row that could not be applied, kept to be looked at."""

    number: int
    kind: IssueKind
    reason: str
    record_type: str
    address: str
    raw: str
    dedupe_key: bytes
    occurred_at: datetime | None = None


@dataclass(slots=True)
class ParsedBatch:
    """`ignored` counts rows that say nothing about a mail's fate (received, queue-wide deferrals)."""

    rows: list[DeliveryRow] = field(default_factory=list)
    issues: list[RowIssue] = field(default_factory=list)
    ignored: int = 0


def clean(value: object, limit: int = MAX_TEXT) -> str:
    """Text that Postgres can store: no NUL, no lone surrogates, at most `limit` characters; None is ''."""
    if value is None or isinstance(value, bool):
        return ""
    text = str(value).replace("\x00", "")[:limit].strip()
    return text.encode("utf-8", "replace").decode("utf-8")


def hash_of(*parts: str) -> bytes:
    """SHA-256 over the parts, each with its length in front, so that shifted fields differ."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "replace")
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.digest()


def parse_time(value: str, now: datetime) -> datetime:
    """UTC time of ISO text, Unix seconds (or milliseconds) or `MM/DD/YYYY HH:MM:SS±ZZZZ`.

    A time without a zone is UTC. ValueError for anything else, and for times before 2000 or more than a day
    after `now`.
    """
    moment = _parse(value.strip())
    if not _EARLIEST <= moment <= now + _CLOCK_SKEW:
        raise ValueError("the time is out of range")
    return moment


def _parse(text: str) -> datetime:
    if _EPOCH.match(text):
        seconds = float(text)
        return datetime.fromtimestamp(seconds / 1000 if seconds > 1e11 else seconds, UTC)
    american = _AMERICAN.match(text)
    if american:
        text = f"{american[3]}-{american[1]}-{american[2]}T{american[4]}"
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
