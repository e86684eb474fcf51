"""Rules of suppressions beyond single statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from campaign_service.suppressions import repository
from campaign_service.suppressions.repository import NewSuppression
from campaign_service.suppressions.schemas import BatchOut, SuppressionIn
from shared.database import Tx
from shared.errors import NotFoundError


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


async def add(tx: Tx, tenant_id: UUID, body: SuppressionIn) -> dict[str, Any]:
    """Suppress one address; the suppression as it now is."""
    await repository.add_many(tx, tenant_id, [_new(body)])
    found = await repository.find(tx, tenant_id, body.channel, body.address, body.scope)
    if found is None:
        raise NotFoundError("The suppression was lifted at the same moment")
    return found


async def add_batch(tx: Tx, tenant_id: UUID, items: Sequence[SuppressionIn]) -> BatchOut:
    changed = await repository.add_many(tx, tenant_id, [_new(item) for item in items])
    return BatchOut(added=changed, unchanged=len(items) - changed)


async def lift(tx: Tx, tenant_id: UUID, **which: Any) -> int:
    """Raises NotFoundError when nothing is suppressed there."""
    lifted = await repository.lift(tx, tenant_id, source="api", **which)
    if not lifted:
        raise NotFoundError("There is no such suppression")
    return lifted
