"""What is worked out about a campaign's people."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from campaign_service.ab.content import Contents, contents_of, find_variant
from campaign_service.attachments import repository as attachments
from campaign_service.attachments.repository import Owner
from campaign_service.campaigns import content
from campaign_service.campaigns.audience import service as audience_service
from campaign_service.campaigns.audience.choice import selection_of
from campaign_service.campaigns.recipients import repository
from campaign_service.campaigns.schemas import ProgressOut, TestIn
from campaign_service.campaigns.states import OPEN_STATES
from campaign_service.messages.service import wake_of
from campaign_service.settings import settings_of
from campaign_service.sms import campaigns as sms
from campaign_service.sms import trial
from shared.database import Tx
from shared.errors import ValidationError
from shared.web import Runtime

Campaign = dict[str, Any]
_RATE_WINDOW = timedelta(seconds=10)


async def audience(tx: Tx, runtime: Runtime, campaign: Campaign, now: datetime) -> dict[str, Any]:
    """Counts and sample of the audience as the campaign's tags and segment choose it now."""
    tenant_id = campaign["tenant_id"]
    selection = await selection_of(tx, tenant_id, campaign, now)
    if campaign["channel"] == "sms":
        return await sms.audience(tx, runtime, campaign, selection, now)
    count = await audience_service.count(tx, tenant_id, selection, now)
    return {
        "count": count.eligible,
        "suppressed": count.suppressed,
        "not_eligible": count.not_eligible,
        "sample": await audience_service.sample(tx, tenant_id, selection, now),
    }


async def progress(tx: Tx, campaign: Campaign, now: datetime) -> ProgressOut:
    """Counts by state; the rate is that of the last ten seconds, or since the start when that is nearer."""
    since = max(now - _RATE_WINDOW, campaign["started_at"] or now - _RATE_WINDOW)
    states, recent = await repository.state_counts(tx, campaign["tenant_id"], campaign["id"], since)
    total = sum(states.values())
    waiting = sum(states.get(state, 0) for state in OPEN_STATES)
    seconds = max((now - since).total_seconds(), 1.0)
    rate = recent / seconds if campaign["status"] == "sending" else 0.0
    return ProgressOut(
        campaign_id=campaign["id"],
        status=campaign["status"],
        total=total,
        done=total - waiting,
        percent=round(100 * (total - waiting) / total, 1) if total else 0.0,
        states=states,
        rate=round(rate, 1),
        eta_seconds=round(waiting / rate) if rate and waiting else None,
        started_at=campaign["started_at"],
        completed_at=campaign["completed_at"],
    )


async def send_test(tx: Tx, runtime: Runtime, campaign: Campaign, body: TestIn, user_id: UUID) -> list[UUID]:
    """Queue the mail for each address in the lane of single messages; their ids.

    It is rendered as the contact would get it, without tracking, and counts in no figures.
    """
    is_text = campaign["channel"] == "sms"
    if any(("@" in to) == is_text for to in body.to):
        wanted = "phone numbers" if is_text else "e-mail addresses"
        raise ValidationError(f"This campaign can be tried with {wanted} alone", field="to")
    if is_text:
        return await trial.send(tx, runtime, campaign, body, user_id)
    variant = await find_variant(tx, campaign, body.variant) if body.variant else {}
    contents, template = await _content(tx, campaign, variant)
    rendered, language, _ = await content.preview(tx, campaign, body.contact_id, body.language, contents)
    mail = repository.TestMail(
        template_id=variant.get("template_id") or campaign["template_id"],
        language=language,
        from_email=campaign["from_email"] or settings_of(runtime).from_email,
        from_name=variant.get("from_name") or campaign["from_name"],
        reply_to=campaign["reply_to"],
        subject=f"[Test] {rendered.subject}",
        html=rendered.html,
        text=rendered.text,
    )
    tx.after_commit.append(wake_of(runtime).set)
    ids = await repository.queue_test_mails(
        tx, campaign["tenant_id"], body.to, mail, user_id, runtime.clock.now()
    )
    for owner in (template, Owner(campaign_id=campaign["id"])):
        await attachments.copy_uses(tx, tx.tenant, owner, [Owner(message_id=each) for each in ids])
    return ids


async def _content(tx: Tx, campaign: Campaign, variant: dict[str, Any]) -> tuple[Contents, Owner]:
    """What the campaign, or its variant, says now, and the template's version whose files go with it."""
    contents, _, version = await content.current(tx, campaign)
    template = Owner(template_id=campaign["template_id"], template_version=version)
    if variant:
        contents, version_of_own = await contents_of(tx, campaign, variant, contents)
        if variant["template_id"] is not None:
            template = Owner(template_id=variant["template_id"], template_version=version_of_own)
    return contents, template
