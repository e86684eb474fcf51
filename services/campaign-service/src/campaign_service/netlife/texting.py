"""Straight from a portal into a campaign by SMS: to those who were collected, once they are contacts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from campaign_service.campaigns import repository as campaigns
from campaign_service.campaigns.schemas import CampaignIn
from campaign_service.campaigns.use_cases import CreateCampaignUseCase, SendCampaignUseCase
from campaign_service.netlife import repository
from campaign_service.netlife.schemas import CollectIn
from campaign_service.tags import repository as tags
from shared.database import Tx
from shared.errors import AppError, ServiceUnavailableError
from shared.events import Consumer, MessageContext
from shared.events.catalog import ContactsImported
from shared.utils import logger
from shared.web import Runtime


def tag_of(collection_id: UUID) -> str:
    """What the contacts of one collection have in common."""
    return f"netlife-{collection_id}"


async def draft(tx: Tx, rt: Runtime, plan: dict[str, Any], wanted: CollectIn) -> UUID:
    """A campaign to those with the collection's tag; its id."""
    wish = wanted.sms_campaign
    assert wish is not None, "asked for only where there is one"
    tag = tag_of(plan["id"])
    # Those to be excluded may come with the import, or be gone since they were asked for.
    await tags.ensure(tx, tx.tenant, sorted({tag, *wish.exclude_tags}))
    body = CampaignIn(
        name=wish.name or f"{wanted.portal} {rt.clock.now().date()}",
        channel="sms",
        sms_text=wish.sms_text,
        tags_all=[tag],
        exclude_tags=wish.exclude_tags,
    )
    made = await CreateCampaignUseCase(rt).execute(tx, tx.tenant, body, plan["created_by"])
    campaign_id: UUID = made["id"]
    return campaign_id


async def imported(context: MessageContext) -> None:
    """Send the campaign of a collection that is in, where that was asked for; or say on the draft why not."""
    event = context.parse(ContactsImported)
    tx, rt = context.tx, context.runtime
    campaign_id = await repository.campaign_to_send(tx, tx.tenant, event.import_id)
    campaign = await campaigns.get(tx, tx.tenant, campaign_id) if campaign_id else None
    if campaign is None or campaign["status"] != "draft":
        return
    before = await tx.savepoint()
    try:
        await SendCampaignUseCase(rt).execute(tx, tx.tenant, campaign["id"])
    except ServiceUnavailableError:
        raise
    except AppError as error:
        await before.rollback()
        logger.warning("a portal's campaign could not start", campaign_id=str(campaign_id), error=error)
        reason = f"could not start: {error.message}"
        await campaigns.set_status(tx, tx.tenant, campaign["id"], "draft", rt.clock.now(), reason)
    else:
        await before.commit()


CONSUMERS = (Consumer("portal-campaigns", ("campaign.contacts.imported.v1",), imported),)
