"""Caps, mailbox providers and rules of a warm-up, without a database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

MailboxProvider = Literal["gmail", "outlook", "yahoo", "apple", "other"]
PlanStatus = Literal["active", "paused", "stopped", "finished"]
MAILBOX_PROVIDERS: tuple[MailboxProvider, ...] = get_args(MailboxProvider)
_DOMAINS: dict[str, MailboxProvider] = {
    **dict.fromkeys(("gmail.com", "googlemail.com"), "gmail"),
    **dict.fromkeys(
        ("outlook.com", "hotmail.com", "live.com", "msn.com", "hotmail.fr", "live.fr"), "outlook"
    ),
    **dict.fromkeys(("hotmail.co.uk", "live.co.uk", "hotmail.de", "hotmail.es", "hotmail.it"), "outlook"),
    **dict.fromkeys(("outlook.fr", "outlook.de", "outlook.es"), "outlook"),
    **dict.fromkeys(("yahoo.com", "ymail.com", "rocketmail.com", "aol.com", "yahoo.fr", "yahoo.de"), "yahoo"),
    **dict.fromkeys(("yahoo.co.uk", "yahoo.es", "yahoo.it", "yahoo.ca", "yahoo.com.br"), "yahoo"),
    **dict.fromkeys(("icloud.com", "me.com", "mac.com"), "apple"),
}
_DAYS, _FIRST, _LAST = 70, 5, 20_000


def preset_caps() -> list[int]:
    """The table of 70 days from 5 to 20,000 mails a day, the same factor (about 1.13) from day to day."""
    factor = (_LAST / _FIRST) ** (1 / (_DAYS - 1))
    return [round(_FIRST * factor**day) for day in range(_DAYS)]


def domain_of(email: str) -> str:
    return email.rpartition("@")[2].lower()


def own_provider(domain: str) -> MailboxProvider | None:
    """The provider whose own domain this is, in lower case."""
    return _DOMAINS.get(domain)


def own_domains() -> list[str]:
    """Domains of which nobody needs to be asked."""
    return list(_DOMAINS)


@dataclass(frozen=True, slots=True)
class Rules:
    """Shares of the mails of the last `window_days`, judged once there are `minimum` of them."""

    max_bounce_rate: float = 0.05
    warn_complaint_rate: float = 0.001
    max_complaint_rate: float = 0.003
    window_days: int = 7
    minimum: int = 50


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of the mails of a window: recipients, once each."""

    sent: int
    bounced: int
    complained: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """`stop` and `warning` say why; None where there is nothing to say."""

    stop: str | None = None
    warning: str | None = None


def judge(rules: Rules, heard: Heard) -> Judgement:
    """Bounces above their limit stop; complaints warn from one share on and stop from another."""
    if heard.sent < max(rules.minimum, 1):
        return Judgement()
    bounces, complaints = heard.bounced / heard.sent, heard.complained / heard.sent
    said = f"of {heard.sent} mails in {rules.window_days} days"
    if bounces > rules.max_bounce_rate:
        return Judgement(stop=f"{bounces:.1%} {said} bounced, above {rules.max_bounce_rate:.1%}")
    if complaints >= rules.max_complaint_rate:
        return Judgement(
            stop=f"{complaints:.2%} {said} were complained of, {rules.max_complaint_rate:.2%} stops"
        )
    if complaints >= rules.warn_complaint_rate:
        return Judgement(warning=f"{complaints:.2%} {said} were complained of")
    return Judgement()


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan and where it stands. Empty fields stand for any."""

    id: UUID
    domain: str
    ip_pool: str
    mailbox_provider: str
    caps: tuple[int, ...]
    time_zone: str
    rules: Rules
    status: PlanStatus
    status_reason: str | None
    warning: str | None
    day_number: int
    today: date | None
    used: int
    judged_since: date

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Plan:
        own = {name: row[name] for name in cls.__slots__ if name not in ("caps", "rules")}
        return cls(**own, caps=tuple(row["caps"]), rules=Rules(**row["rules"]))

    @property
    def is_active(self) -> bool:
        return self.status == "active"

    @property
    def cap(self) -> int:
        """Of the present day; nothing while the plan is halted."""
        return self.caps[min(self.day_number, len(self.caps)) - 1] if self.is_active else 0

    @property
    def left(self) -> int:
        return max(0, self.cap - self.used)

    def covers(self, domain: str, ip_pool: str) -> bool:
        """Whether mails of this domain and pool count, at least those to the plan's mailbox provider."""
        return self.domain in ("", domain) and self.ip_pool in ("", ip_pool)

    def day_of(self, moment: datetime) -> date:
        return moment.astimezone(ZoneInfo(self.time_zone)).date()

    def next_day(self, moment: datetime) -> datetime:
        """When the next day of the plan begins, in UTC."""
        following = self.day_of(moment) + timedelta(days=1)
        return datetime.combine(following, time(), ZoneInfo(self.time_zone)).astimezone(UTC)

    @property
    def name(self) -> str:
        """For people: what it is about."""
        return (
            " ".join(part for part in (self.domain, self.ip_pool, self.mailbox_provider) if part)
            or "all mail"
        )
