"""What callers ask of campaigns, free of HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from campaign_service.ab import service as ab
from campaign_service.campaigns import service
from campaign_service.campaigns.schemas import CampaignIn, CampaignUpdate
from shared.database import Tx
from shared.web import Runtime

Campaign = dict[str, Any]


class CreateCampaignUseCase:
    """A new draft; nothing is sent."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def execute(self, tx: Tx, tenant_id: UUID, request: CampaignIn, user_id: UUID) -> Campaign:
        """Raises `UnknownTagsError` and `ValidationError`."""
        return await service.create(tx, tenant_id, request, user_id, self._runtime.clock.now())


class UpdateCampaignUseCase:
    """Other words or another audience for a campaign that was not started."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def execute(self, tx: Tx, tenant_id: UUID, campaign_id: UUID, request: CampaignUpdate) -> Campaign:
        """Raises `NotFoundError`, `CampaignStateError`, `UnknownTagsError`, `ValidationError`."""
        now = self._runtime.clock.now()
        campaign = await service.update(tx, tenant_id, campaign_id, request, now)
        await ab.recheck(tx, self._runtime, campaign)
        return campaign


class SendCampaignUseCase:
    """The audience is frozen and handed to the sender, or to the waits that go before it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def execute(self, tx: Tx, tenant_id: UUID, campaign_id: UUID) -> Campaign:
        """Raises `CampaignStateError`, `UnknownTagsError`, `EmptyAudienceError`, `BusinessRuleError`."""
        return await service.start(tx, self._runtime, tenant_id, campaign_id, self._runtime.clock.now())
