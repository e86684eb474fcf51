"""Rules of suppressions beyond single statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from campaign_service.sms.accounts import region_of
from campaign_service.sms.phones import e164
from campaign_service.suppressions import repository
from campaign_service.suppressions.repository import NewSuppression
from campaign_service.suppressions.schemas import BatchOut, SuppressionIn
from shared.database import Tx
from shared.errors import NotFoundError, ValidationError


def _new(body: SuppressionIn) -> NewSuppression:
    return NewSuppression(
        address=body.address,
        reason=body.reason,
        channel=body.channel,
        scope=body.scope,
        detail=body.detail,
        source="api",
        expires_at=body.expires_at,
    )


async def _read_numbers(tx: Tx, tenant_id: UUID, items: Sequence[SuppressionIn]) -> list[NewSuppression]:
    """As they are kept: numbers in E.164, in which everybody is texted. Raises ValidationError."""
    region = await region_of(tx, tenant_id) if any(item.channel == "sms" for item in items) else ""
    new = [_new(item) for item in items]
    for index, one in enumerate(new):
        if one.channel == "sms":
            number = e164(one.address, region)
            if number is None:
                said = f"{one.address} is no phone number of {region}: write it in international form"
                raise ValidationError(said, field="address" if len(items) == 1 else f"items.{index}.address")
            new[index] = replace(one, address=number)
    return new


async def add(tx: Tx, tenant_id: UUID, body: SuppressionIn) -> dict[str, Any]:
    """Suppress one address; the suppression as it now is. Raises ValidationError."""
    [new] = await _read_numbers(tx, tenant_id, [body])
    await repository.add_many(tx, tenant_id, [new])
    found = await repository.find(tx, tenant_id, new.channel, new.address, new.scope)
    if found is None:
        raise NotFoundError("The suppression was lifted at the same moment")
    return found


async def add_batch(tx: Tx, tenant_id: UUID, items: Sequence[SuppressionIn]) -> BatchOut:
    changed = await repository.add_many(tx, tenant_id, await _read_numbers(tx, tenant_id, items))
    return BatchOut(added=changed, unchanged=len(items) - changed)


async def lift(tx: Tx, tenant_id: UUID, **which: Any) -> int:
    """Raises NotFoundError when nothing is suppressed there. A number may be written in any way."""
    if which.get("channel") == "sms":
        address = which["address"]
        which["address"] = e164(address, await region_of(tx, tenant_id)) or address
    lifted = await repository.lift(tx, tenant_id, source="api", **which)
    if not lifted:
        raise NotFoundError("There is no such suppression")
    return lifted
