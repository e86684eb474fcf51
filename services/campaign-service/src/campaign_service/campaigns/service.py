"""What may happen to a campaign. The caller opens and commits the transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from campaign_service.ab import service as ab
from campaign_service.attachments import repository as attachments
from campaign_service.attachments.repository import Owner
from campaign_service.campaigns import repository
from campaign_service.campaigns.audience import repository as audience_repository
from campaign_service.campaigns.audience.choice import selection_of
from campaign_service.campaigns.audience.repository import Languages, Selection, Split
from campaign_service.campaigns.content import load_contents
from campaign_service.campaigns.holds import service as holds
from campaign_service.campaigns.recipients import repository as recipients
from campaign_service.campaigns.schemas import CampaignIn, CampaignUpdate
from campaign_service.campaigns.states import Action, CampaignStateError, Status, next_status
from campaign_service.contacts.privacy import repository as privacy
from campaign_service.mailwizz.carrying import repository as mailwizz_campaigns
from campaign_service.mailwizz.carrying import starting as mailwizz
from campaign_service.preflight import service as preflight
from campaign_service.sms import campaigns as sms
from shared.database import Tx
from shared.database.errors import translate
from shared.errors import (
    AppError,
    BusinessRuleError,
    ConflictError,
    NotFoundError,
    ServiceUnavailableError,
    ValidationError,
)
from shared.events import new_event
from shared.utils import logger, uuid7
from shared.web import Runtime

Campaign = dict[str, Any]


class EmptyAudienceError(ConflictError):
    """Nobody would get the mail."""

    code = "EMPTY_AUDIENCE"


class NothingToRetryError(ConflictError):
    code = "NOTHING_TO_RETRY"


async def get(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> Campaign:
    """The campaign; `NotFoundError` when it is not there or not the tenant's."""
    campaign = await repository.get(tx, tenant_id, campaign_id)
    if campaign is None:
        raise NotFoundError("There is no such campaign")
    return campaign


async def _locked(tx: Tx, tenant_id: UUID, campaign_id: UUID, action: Action) -> tuple[Campaign, Status]:
    """The campaign, locked, and the status `action` leads to."""
    campaign = await repository.get(tx, tenant_id, campaign_id, lock=True)
    if campaign is None:
        raise NotFoundError("There is no such campaign")
    return campaign, next_status(campaign["status"], action)


async def create(tx: Tx, tenant_id: UUID, body: CampaignIn, user_id: UUID, now: datetime) -> Campaign:
    """A new draft. Its template, its segment and every tag it names must exist."""
    fields = body.model_dump(exclude={"tenant_id"})
    await _check_references(tx, tenant_id, fields, now)
    _check_times(fields)
    return await repository.insert(tx, tenant_id, uuid7(), fields, user_id, now)


def _check_times(fields: Campaign) -> None:
    local, window = fields["local_time"], fields["send_window"]
    if local and window and not window["opens"] <= local < window["closes"]:
        raise ValidationError("local_time lies outside of send_window", field="local_time")


async def update(tx: Tx, tenant_id: UUID, campaign_id: UUID, body: CampaignUpdate, now: datetime) -> Campaign:
    """Replace the given fields of a draft or scheduled campaign."""
    campaign, status = await _locked(tx, tenant_id, campaign_id, "edit")
    fields = {**campaign, **body.model_dump(include=body.model_fields_set - {"tenant_id"})}
    await _check_references(tx, tenant_id, fields, now)
    _check_times(fields)
    if status == "scheduled":
        _check_schedule(fields["scheduled_at"], now)
    return await repository.update(tx, tenant_id, campaign_id, fields, now)


async def _check_references(tx: Tx, tenant_id: UUID, fields: Campaign, now: datetime) -> None:
    await selection_of(tx, tenant_id, fields, now, keep=True)
    if fields["channel"] == "sms":
        await sms.check(tx, tenant_id, fields)
        return
    template = await repository.template(tx, tenant_id, fields["template_id"])
    if template is None or template["is_archived"]:
        raise ValidationError("There is no such template", field="template_id")
    contents = await load_contents(tx, tenant_id, template["id"], template["current_version"])
    if fields["language"] is not None and fields["language"] not in contents:
        raise ValidationError(
            f"The template has no content in {fields['language']}",
            field="language",
            details={"languages": sorted(contents)},
        )


async def delete(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> None:
    """Remove a campaign that never started; what was sent stays on record."""
    campaign, _ = await _locked(tx, tenant_id, campaign_id, "delete")
    if campaign["started_at"] is not None:
        raise CampaignStateError("A campaign that was started is kept, with what it sent")
    await repository.delete(tx, tenant_id, campaign_id)


async def duplicate(tx: Tx, tenant_id: UUID, campaign_id: UUID, user_id: UUID, now: datetime) -> Campaign:
    """A new draft with the same content and audience, without schedule and external name."""
    campaign = await get(tx, tenant_id, campaign_id)
    name = f"{campaign['name'][:190]} (copy)"
    fields = {**campaign, "name": name, "scheduled_at": None, "external_ref": None}
    copy = await repository.insert(tx, tenant_id, uuid7(), fields, user_id, now)
    await ab.copy(tx, tenant_id, campaign_id, copy["id"])
    files, copied = Owner(campaign_id=campaign_id), Owner(campaign_id=copy["id"])
    await attachments.copy_uses(tx, tenant_id, files, [copied])
    return copy


def _check_schedule(at: datetime | None, now: datetime) -> None:
    if at is None:
        raise ValidationError("scheduled_at is required", field="scheduled_at")
    if at <= now:
        raise ValidationError("scheduled_at must be in the future", field="scheduled_at")


async def schedule(
    tx: Tx,
    tenant_id: UUID,
    campaign_id: UUID,
    at: datetime | None,
    now: datetime,
    *,
    forced: bool = False,
) -> Campaign:
    """Send at `at`, or at the campaign's own time when None; with `forced` whatever its mistakes are then."""
    campaign, status = await _locked(tx, tenant_id, campaign_id, "schedule")
    moment = at or campaign["scheduled_at"]
    _check_schedule(moment, now)
    await _check_references(tx, tenant_id, campaign, now)
    return await repository.set_schedule(tx, tenant_id, campaign_id, status, moment, now, forced=forced)


async def unschedule(tx: Tx, tenant_id: UUID, campaign_id: UUID, now: datetime) -> Campaign:
    """Back to draft."""
    _, status = await _locked(tx, tenant_id, campaign_id, "unschedule")
    return await repository.set_schedule(tx, tenant_id, campaign_id, status, None, now)


async def start(tx: Tx, runtime: Runtime, tenant_id: UUID, campaign_id: UUID, now: datetime) -> Campaign:
    """Freeze template version, links and audience, and hand the campaign to the sender.

    Raises `CampaignStateError`, `UnknownTagsError`, `EmptyAudienceError`, and `BusinessRuleError` when the
    template is gone or has no content in the campaign's language.
    """
    campaign, _ = await _locked(tx, tenant_id, campaign_id, "send")
    selection = await selection_of(tx, tenant_id, campaign, now)
    if campaign["channel"] == "sms":
        return await _start_texting(tx, runtime, campaign, selection, now)
    template = await repository.template(tx, tenant_id, campaign["template_id"])
    if template is None or template["is_archived"]:
        raise BusinessRuleError("The template of this campaign is archived", field="template_id")
    version = template["current_version"]
    contents = await load_contents(tx, tenant_id, template["id"], version)
    languages = Languages(
        campaign["language"], tuple({key.partition("/")[0] for key in contents}), template["default_language"]
    )
    if languages.forced is not None and languages.forced not in contents:
        raise BusinessRuleError(f"The template has no content in {languages.forced}", field="language")
    carrier = await mailwizz.carrier_of(tx, runtime, campaign, template, contents)
    links = await ab.freeze(tx, runtime, campaign, contents, template["default_language"])
    places, split = await holds.places(tx, campaign, now), await _split(tx, campaign)
    queued, skipped = await audience_repository.freeze(
        tx, tenant_id, campaign_id, selection, languages, now, places, split
    )
    if queued == 0:
        raise EmptyAudienceError("Nobody would get this mail", details={"suppressed": skipped})
    await privacy.forget_recipients(tx, tenant_id, campaign_id)
    await repository.add_links(tx, tenant_id, campaign_id, links)
    if skipped:
        await repository.count_skipped(tx, tenant_id, campaign_id, skipped, now)
    zones = sorted(set(places.zones))
    started = await repository.set_started(tx, tenant_id, campaign_id, version, queued + skipped, zones, now)
    if carrier is not None:
        await mailwizz.hand_over(tx, runtime, started, carrier)
    await _publish_started(tx, runtime, started)
    return started


async def _split(tx: Tx, campaign: Campaign) -> Split:
    test = await ab.test_of(tx, campaign)
    held = campaign["code_pool"] is not None
    if test is None:
        return Split(hold_all=held)
    return Split(len(test["variants"]), test["test_percent"], held)


async def _start_texting(
    tx: Tx, runtime: Runtime, campaign: Campaign, selection: Selection, now: datetime
) -> Campaign:
    tenant_id, campaign_id = campaign["tenant_id"], campaign["id"]
    places, split = await holds.places(tx, campaign, now), await _split(tx, campaign)
    version, queued, skipped = await sms.start(tx, runtime, campaign, selection, now, places, split)
    if queued == 0:
        raise EmptyAudienceError("Nobody would get this text", details={"suppressed": skipped})
    await privacy.forget_recipients(tx, tenant_id, campaign_id)
    if skipped:
        await repository.count_skipped(tx, tenant_id, campaign_id, skipped, now)
    zones = sorted(set(places.zones))
    started = await repository.set_started(tx, tenant_id, campaign_id, version, queued + skipped, zones, now)
    await _publish_started(tx, runtime, started)
    return started


async def _publish_started(tx: Tx, runtime: Runtime, campaign: Campaign) -> None:
    data = {
        "campaign_id": campaign["id"],
        "name": campaign["name"],
        "total_recipients": campaign["recipient_count"],
        "started_at": campaign["started_at"],
    }
    await runtime.events.publish(
        tx,
        new_event(
            "campaign.campaign.started.v1", data, tenant_id=campaign["tenant_id"], subject=str(campaign["id"])
        ),
    )


async def start_next_due(tx: Tx, runtime: Runtime, now: datetime) -> bool:
    """Start the longest overdue scheduled campaign of any tenant; False when none is due.

    `tx` is a system transaction. A schedule missed by more than `max_lateness_seconds`, and one that cannot
    start, goes back to draft with the reason: nothing is sent by surprise, nothing fires twice.
    """
    due = await repository.next_due(tx, now)
    if due is None:
        return False
    tenant_id, campaign_id = due["tenant_id"], due["id"]
    await tx.set_tenant(tenant_id)
    late = now - due["scheduled_at"]
    if late > timedelta(seconds=due["max_lateness_seconds"]):
        reason = f"missed its time by {int(late.total_seconds())} s, more than it allows"
        await repository.set_status(tx, tenant_id, campaign_id, "draft", now, reason)
        return True
    savepoint = await tx.savepoint()
    try:
        if not due["is_forced"]:
            await preflight.require(tx, runtime, campaign_id)
        await start(tx, runtime, tenant_id, campaign_id, now)
    except Exception as error:  # whatever is wrong with one campaign, the others have to start
        await savepoint.rollback()
        known = error if isinstance(error, AppError) else translate(error)
        if isinstance(known, ServiceUnavailableError):
            raise  # the database is busy: tried again, as long as the campaign's lateness allows
        logger.warning("a scheduled campaign could not start", campaign_id=str(campaign_id), error=error)
        reason = known.message if known else "something went wrong on our side"
        await repository.set_status(tx, tenant_id, campaign_id, "draft", now, f"could not start: {reason}")
    else:
        await savepoint.commit()
    return True


async def pause(tx: Tx, tenant_id: UUID, campaign_id: UUID, now: datetime) -> Campaign:
    """No new mails from now on; those in flight go their way."""
    _, status = await _locked(tx, tenant_id, campaign_id, "pause")
    return await repository.set_status(tx, tenant_id, campaign_id, status, now)


async def resume(tx: Tx, tenant_id: UUID, campaign_id: UUID, now: datetime) -> Campaign:
    """Go on, without those who were suppressed meanwhile."""
    campaign, status = await _locked(tx, tenant_id, campaign_id, "resume")
    await _skip_suppressed(tx, campaign, now)
    return await repository.set_status(tx, tenant_id, campaign_id, status, now)


async def _skip_suppressed(tx: Tx, campaign: Campaign, now: datetime) -> int:
    """How many. Who may be texted is asked when their turn comes: an address says nothing of a number."""
    if campaign["channel"] == "sms":
        return 0
    return await recipients.skip_suppressed(tx, campaign["tenant_id"], campaign["id"], now)


async def cancel(tx: Tx, tenant_id: UUID, campaign_id: UUID, now: datetime) -> Campaign:
    """Stop for good; recipients not yet mailed become cancelled."""
    _, status = await _locked(tx, tenant_id, campaign_id, "cancel")
    await recipients.cancel_waiting(tx, tenant_id, campaign_id, now)
    return await repository.set_status(tx, tenant_id, campaign_id, status, now)


async def retry_failed(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, *, include_ambiguous: bool, now: datetime
) -> tuple[Campaign, int]:
    """Send again to who did not get the mail; (campaign, how many)."""
    campaign, status = await _locked(tx, tenant_id, campaign_id, "retry")
    if await mailwizz_campaigns.exists(tx, tenant_id, campaign_id):
        raise BusinessRuleError("MailWizz has sent this campaign, and tries again by itself")
    states = ["failed", "ambiguous"] if include_ambiguous else ["failed"]
    requeued = await recipients.requeue(tx, tenant_id, campaign_id, states, now)
    skipped = await _skip_suppressed(tx, campaign, now)
    if requeued == skipped:
        raise NothingToRetryError("No recipient of this campaign can be tried again")
    return await repository.set_status(tx, tenant_id, campaign_id, status, now), requeued - skipped


async def finish(tx: Tx, runtime: Runtime, tenant_id: UUID, campaign_id: UUID) -> bool:
    """Close a campaign whose every recipient is past sending; True when it was closed now.

    False, and nothing changed, when it is not being sent or somebody is still waiting.
    """
    campaign = await repository.get(tx, tenant_id, campaign_id, lock=True)
    if campaign is None or campaign["status"] != "sending":
        return False
    waiting, failed, sent = await recipients.outcome(tx, tenant_id, campaign_id)
    if waiting:
        return False
    status: Status = "partially_failed" if failed else "sent"
    done = await repository.set_status(tx, tenant_id, campaign_id, status, runtime.clock.now())
    data = {
        "campaign_id": campaign_id,
        "name": done["name"],
        "total_recipients": done["recipient_count"],
        "sent": sent,
        "failed": failed,
        "completed_at": done["completed_at"],
    }
    event = new_event("campaign.campaign.completed.v1", data, tenant_id=tenant_id, subject=str(campaign_id))
    await runtime.events.publish(tx, event)
    return True
