"""A tenant's account at the provider, opened for use."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from campaign_service.settings import settings_of
from campaign_service.sms import phones, quiet, repository
from campaign_service.sms.numbers import repository as numbers
from campaign_service.sms.twilio import Access
from shared.database import Tx
from shared.errors import ConflictError
from shared.utils.crypto import SecretBox, derive_key
from shared.web import Runtime

#: How numbers without a country code are read for tenants that have not said.
DEFAULT_REGION = "US"


class SmsNotConfiguredError(ConflictError):
    """The tenant has no SMS account, or no number to send from."""

    code = "SMS_NOT_CONFIGURED"


@dataclass(frozen=True, slots=True)
class Account:
    """`senders`: what texts may be sent from, by preference one of the numbers."""

    access: Access
    senders: tuple[str, ...]
    default_region: str
    time_zone: str
    quiet_hours: quiet.QuietHours | None
    rate: float
    currency: str
    default_price: int
    prices: dict[str, int] = field(default_factory=dict)
    answers_keywords: bool = True
    help_text: str | None = None
    text_back: str | None = None

    def price(self, number: str, segments: int) -> int:
        """Millionths of the currency's unit."""
        return self.prices.get(phones.country_of(number) or "", self.default_price) * segments

    def zone_for(self, number: str, own: str | None) -> ZoneInfo:
        """The contact's own time zone, else that of the number's place, else the tenant's."""
        return quiet.zone(own, phones.zone_of(number), self.time_zone)

    def wait_until(self, now: datetime, number: str, own_zone: str | None) -> datetime | None:
        """When a marketing text to this person may go out; None: now."""
        return quiet.wait_until(now, self.quiet_hours, self.zone_for(number, own_zone))


def _box(rt: Runtime) -> SecretBox:
    secret = settings_of(rt).jwt_secret.get_secret_value()
    return SecretBox(derive_key(secret, "sms account tokens"))


def _place(tenant_id: UUID) -> str:
    return f"sms_account/{tenant_id}"


def seal(rt: Runtime, tenant_id: UUID, token: str) -> bytes:
    return _box(rt).seal(token.encode(), _place(tenant_id))


async def find(tx: Tx, rt: Runtime, tenant_id: UUID) -> Account | None:
    """The account, when there is one and something to send from."""
    row = await repository.account(tx, tenant_id)
    if row is None:
        return None
    found = await numbers.every(tx, tenant_id, rt.clock.now().date())
    active = [number["number"] for number in found if number["is_active"]]
    senders = [row["messaging_service_sid"]] if row["messaging_service_sid"] else active
    senders = senders or ([row["sender_id"]] if row["sender_id"] else [])
    return _opened(rt, tenant_id, row, tuple(senders)) if senders else None


async def region_of(tx: Tx, tenant_id: UUID) -> str:
    """The country of numbers that name none, also while there is nothing to send from."""
    row = await repository.account(tx, tenant_id)
    return row["default_region"] if row else DEFAULT_REGION


def _opened(rt: Runtime, tenant_id: UUID, row: dict[str, Any], senders: tuple[str, ...]) -> Account:
    token = _box(rt).open(row["auth_token"], _place(tenant_id)).decode()
    hours = quiet.QuietHours(row["quiet_from"], row["quiet_until"]) if row["quiet_from"] else None
    return Account(
        Access(row["account_sid"], token, row["status_callback_url"]),
        senders,
        row["default_region"],
        row["time_zone"],
        hours,
        row["rate_per_sender"],
        row["currency"],
        row["default_price"],
        row["prices"],
        row["answers_keywords"],
        row["help_text"],
        row["text_back"],
    )


async def require(tx: Tx, rt: Runtime, tenant_id: UUID) -> Account:
    """Raises SmsNotConfiguredError."""
    account = await find(tx, rt, tenant_id)
    if account is None:
        raise SmsNotConfiguredError("There is no SMS account with a number to send from")
    return account
