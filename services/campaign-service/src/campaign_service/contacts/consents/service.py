"""Rules of consents: what a person's word changes, and what is kept of it."""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Any
from uuid import UUID

from campaign_service.contacts import repository as contacts
from campaign_service.contacts.consents import repository
from campaign_service.contacts.consents.schemas import ConsentIn
from campaign_service.contacts.service import TEXTS
from campaign_service.contacts.types import Channel
from campaign_service.settings import settings_of
from campaign_service.sms.phones import e164
from campaign_service.suppressions import repository as suppressions
from campaign_service.suppressions.repository import NewSuppression
from shared.database import Tx
from shared.errors import BusinessRuleError, ValidationError
from shared.utils.crypto import derive_key
from shared.web import Runtime

#: Who suppresses or lifts here has recorded it already.
_SOURCE = "consent"


def address_of(contact: dict[str, Any], channel: Channel) -> str | None:
    """Where a contact is reached; its number also when it was not read before."""
    address: str | None = contact["email"] if channel == "email" else contact["phone_e164"]
    if address is None and channel == "sms" and contact["phone"]:
        return e164(contact["phone"], contact["country"])
    return address


async def record(
    tx: Tx, rt: Runtime, contact: dict[str, Any], body: ConsentIn, actor: UUID | None, now: datetime
) -> UUID:
    """Keep a person's word and act on it: who withdraws is no longer written to, who agrees may be again.

    Raises ValidationError for a time that lies ahead, BusinessRuleError for who has no such address.
    """
    if body.at is not None and body.at > now:
        raise ValidationError("at lies in the future", field="at")
    address = address_of(contact, body.channel)
    if address is None:
        raise BusinessRuleError(f"This contact has no address for {body.channel}", field="channel")
    values = body.model_dump() | {
        "source": body.source or "api",
        "at": body.at or now,
        "actor": actor,
        "ip_digest": _digest(rt, contact["tenant_id"], str(body.ip)) if body.ip else None,
    }
    consent_id = await repository.add(tx, contact["tenant_id"], contact["id"], address, values)
    await _act(tx, contact, body, address, now)
    return consent_id


def _digest(rt: Runtime, tenant_id: UUID, ip: str) -> bytes:
    key = derive_key(settings_of(rt).jwt_secret.get_secret_value(), "consent addresses")
    return hmac.digest(key, f"{tenant_id} {ip}".encode(), "sha256")


async def _act(tx: Tx, contact: dict[str, Any], body: ConsentIn, address: str, now: datetime) -> None:
    tenant_id = contact["tenant_id"]
    if body.status == "withdrawn":
        new = NewSuppression(address, "unsubscribed", body.channel, "marketing", source=_SOURCE)
        await suppressions.add_many(tx, tenant_id, [new])
    else:
        await _lift(tx, tenant_id, body.channel, address)
    if body.channel == "sms":
        said = "SUBSCRIBE" if body.status == "given" else "UNSUBSCRIBE"
        fields = {TEXTS: said, "sms_marketing_timestamp": (body.at or now).isoformat()}
        await contacts.update(tx, tenant_id, contact["id"], {"custom_fields": fields})


async def _lift(tx: Tx, tenant_id: UUID, channel: str, address: str) -> None:
    """What they asked for themselves; bounces and complaints stay."""
    for scope in ("all", "marketing"):
        found = await suppressions.find(tx, tenant_id, channel, address, scope)
        if found is not None and found["reason"] == "unsubscribed":
            await suppressions.lift(tx, tenant_id, suppression_id=found["id"], source=_SOURCE)
