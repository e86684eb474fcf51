"""The use cases of campaigns, called without HTTP."""

from __future__ import annotations

import pytest

from campaign_service.campaigns.schemas import CampaignIn, CampaignUpdate
from campaign_service.campaigns.service import EmptyAudienceError
from campaign_service.campaigns.states import CampaignStateError
from campaign_service.campaigns.use_cases import (
    CreateCampaignUseCase,
    SendCampaignUseCase,
    UpdateCampaignUseCase,
)
from shared.utils import uuid7

from .campaigns_kit import Kit


async def test_a_campaign_is_created_changed_and_sent(kit: Kit) -> None:
    user, template = uuid7(), await kit.add_template()
    await kit.add_contacts(2)
    async with kit.db.tenant_tx(kit.tenant) as tx:
        draft = await CreateCampaignUseCase(kit.runtime).execute(
            tx, kit.tenant, CampaignIn(name="Spring", template_id=template), user
        )
        changed = await UpdateCampaignUseCase(kit.runtime).execute(
            tx, kit.tenant, draft["id"], CampaignUpdate(name="Summer")
        )
        sent = await SendCampaignUseCase(kit.runtime).execute(tx, kit.tenant, draft["id"])
    assert (draft["status"], draft["created_by"]) == ("draft", user)
    assert (changed["name"], changed["template_id"]) == ("Summer", template)
    assert (sent["status"], sent["recipient_count"]) == ("sending", 2)
    assert len(await kit.recipients(draft["id"])) == 2


async def test_nothing_is_sent_to_nobody_and_nothing_changed_after_the_start(kit: Kit) -> None:
    await kit.add_tags("vip")
    draft = await kit.create(tags_all=["vip"])
    async with kit.db.tenant_tx(kit.tenant) as tx:
        with pytest.raises(EmptyAudienceError):
            await SendCampaignUseCase(kit.runtime).execute(tx, kit.tenant, draft["id"])
    started = await kit.started(1)
    async with kit.db.tenant_tx(kit.tenant) as tx:
        with pytest.raises(CampaignStateError):
            await UpdateCampaignUseCase(kit.runtime).execute(
                tx, kit.tenant, started, CampaignUpdate(name="Late")
            )


async def test_a_preview_shows_a_sample_where_the_code_will_be(kit: Kit) -> None:
    template = await kit.add_template(("en",), html="<p>{{ code }}</p>")
    for pool, shown in (("spring", "<p>SAMPLE-CODE</p>"), (None, "<p></p>")):
        campaign = await kit.create(template_id=str(template), code_pool=pool)
        preview = await kit.ok("GET", f"/{campaign['id']}/preview")
        assert shown in preview["html"]
        assert not [warning for warning in preview["warnings"] if "code" in warning]
