"""A campaign cancelled while senders hold its recipients: nobody waits for anybody, nobody is left over."""

from __future__ import annotations

from campaign_service.sending import repository
from campaign_service.sending.model import CampaignKey
from shared.utils import uuid7

from .campaigns_kit import Kit


async def test_cancelling_does_not_wait_for_a_sender_and_what_it_held_is_swept(kit: Kit) -> None:
    campaign = await kit.started(3)
    key, now = CampaignKey(kit.tenant, campaign), kit.clock.now()
    async with kit.db.tenant_tx(kit.tenant) as tx:
        beginning = await tx.savepoint()
        held, _ = await repository.claim_fresh(tx, key, uuid7(), 60, now, 2, None)
        await kit.ok("POST", f"/{campaign}/cancel")
        await beginning.rollback()
    assert len(held) == 2
    assert sorted(row["state"] for row in await kit.recipients(campaign)) == ["cancelled", "queued", "queued"]
    async with kit.db.system_tx() as tx:
        await repository.cancel_leftovers(tx, now)
    assert {row["state"] for row in await kit.recipients(campaign)} == {"cancelled"}


async def test_what_was_leased_and_not_begun_is_cancelled_when_it_is_given_back(kit: Kit) -> None:
    campaign = await kit.started(2)
    key, token = CampaignKey(kit.tenant, campaign), uuid7()
    async with kit.db.tenant_tx(kit.tenant) as tx:
        held, _ = await repository.claim_fresh(tx, key, token, 60, kit.clock.now(), 2, None)
    await kit.ok("POST", f"/{campaign}/cancel")
    ids = [row.recipient.contact_id for row in held]
    async with kit.db.tenant_tx(kit.tenant) as tx:
        assert await repository.mark_attempting(tx, key, token, ids, 60) == set()
        await repository.release(tx, key, token, ids)
    assert {row["state"] for row in await kit.recipients(campaign)} == {"cancelled"}
