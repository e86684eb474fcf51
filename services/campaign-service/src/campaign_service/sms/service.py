"""A tenant's SMS settings, and texts put in the queue."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from campaign_service.sms import accounts, repository, segments
from campaign_service.sms.accounts import Account
from campaign_service.sms.numbers import repository as numbers
from campaign_service.sms.schemas import NumberOut, Prices, QuietHoursOut, SmsSettingsIn, SmsSettingsOut
from campaign_service.suppressions import repository as suppressions
from shared.database import Tx
from shared.errors import NotFoundError, ValidationError
from shared.utils import uuid7
from shared.web import Runtime

_WAKE = "sms.wake"
_PLAIN = (
    "account_sid",
    "messaging_service_sid",
    "sender_id",
    "status_callback_url",
    "default_region",
    "time_zone",
    "rate_per_sender",
    "answers_keywords",
    "help_text",
    "text_back",
)


def wake_of(rt: Runtime) -> asyncio.Event:
    """Set when this process has put a text in the queue."""
    wake: asyncio.Event = rt.extras.setdefault(_WAKE, asyncio.Event())
    return wake


async def get_settings(tx: Tx, rt: Runtime, tenant_id: UUID) -> SmsSettingsOut:
    row = await repository.account(tx, tenant_id)
    if row is None:
        raise NotFoundError("SMS is not set up")
    found = await numbers.every(tx, tenant_id, rt.clock.now().date())
    hours = QuietHoursOut(start=row["quiet_from"], end=row["quiet_until"]) if row["quiet_from"] else None
    return SmsSettingsOut(
        **{name: row[name] for name in _PLAIN},
        tenant_id=tenant_id,
        prices=Prices(currency=row["currency"], default=row["default_price"], by_country=row["prices"]),
        numbers=[NumberOut.of(number) for number in found],
        quiet_hours=hours,
        updated_at=row["updated_at"],
    )


async def put_settings(
    tx: Tx, rt: Runtime, tenant_id: UUID, user_id: UUID, body: SmsSettingsIn
) -> SmsSettingsOut:
    """Replace everything; a number that is not named any more is taken away."""
    there = await repository.account(tx, tenant_id)
    if body.auth_token is not None:
        token = accounts.seal(rt, tenant_id, body.auth_token.get_secret_value())
    elif there is not None:
        token = there["auth_token"]
    else:
        raise ValidationError("auth_token is required the first time", field="auth_token")
    hours = body.quiet_hours
    values: dict[str, Any] = {name: getattr(body, name) for name in _PLAIN} | {
        "auth_token": token,
        "quiet_from": hours.start if hours else None,
        "quiet_until": hours.end if hours else None,
        "currency": body.prices.currency,
        "default_price": body.prices.default,
        "prices": body.prices.by_country,
        "updated_by": user_id,
    }
    await repository.put_account(tx, tenant_id, values)
    if there is None or there["default_region"] != body.default_region:
        await repository.forget_phones(tx, tenant_id)
    named = {number.number: number for number in body.numbers}
    await numbers.put(tx, tenant_id, [number.row(uuid7()) for number in named.values()])
    return await get_settings(tx, rt, tenant_id)


async def enqueue(
    tx: Tx,
    rt: Runtime,
    account: Account,
    to: str,
    body: str,
    *,
    purpose: str,
    sender: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Put one text in the queue; the stored row. A number that opted out gets it `skipped`.

    `sender` None: from where this person was last written to or wrote to, else the first of the account.
    """
    tenant_id = tx.tenant
    skip = None
    if purpose != "automatic":
        skip = await suppressions.suppressed_reason(
            tx, tenant_id, to, channel="sms", marketing=purpose == "marketing"
        )
    sender = sender or await repository.last_sender(tx, tenant_id, to, account.senders) or account.senders[0]
    number = segments.count(body).segments
    row = {
        "id": uuid7(),
        "direction": "outbound",
        "purpose": purpose,
        "customer_phone": to,
        "business_phone": sender,
        "body": body,
        "segments": number,
        "price": account.price(to, number),
        "currency": account.currency,
        "status": "skipped" if skip else "queued",
        "error_detail": skip,
        **more,
    }
    await repository.insert_message(tx, tenant_id, row)
    tx.after_commit.append(wake_of(rt).set)
    return row
