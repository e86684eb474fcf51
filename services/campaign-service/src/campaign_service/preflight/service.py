"""The checks of one campaign, all together or only those that can keep it from being sent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from campaign_service.ab import repository as variants
from campaign_service.ab.content import contents_of, info_of
from campaign_service.attachments import repository as attachments
from campaign_service.attachments.repository import Owner
from campaign_service.campaigns import repository as campaigns
from campaign_service.campaigns.audience import service as audience
from campaign_service.campaigns.audience.choice import selection_of
from campaign_service.campaigns.content import campaign_info, current, load_contents
from campaign_service.dkim import repository as sending_domains
from campaign_service.dkim import service as dkim
from campaign_service.dkim.lookup import TextRecords
from campaign_service.dkim.schemas import DomainOut
from campaign_service.rendering import (
    CampaignInfo,
    Content,
    Recipient,
    RenderError,
    Site,
    compile_message,
    merge_variables,
    render_preview,
)
from campaign_service.segments.service import UnknownSegmentError
from campaign_service.settings import settings_of, site_of
from shared.database import Tx
from shared.errors import BusinessRuleError, ConflictError, NotFoundError
from shared.web import Runtime

from . import records, repository, texts
from .codes import check_codes
from .contents import check_content, check_headers, check_pictures, check_weight
from .schemas import Check, PreflightOut, error, ok, warning

_OLD = timedelta(days=365)
_SOMEBODY = Recipient(UUID(int=0), "recipient@example.com", first_name="Anna", last_name="Berg")
Campaign = dict[str, Any]


class PreflightFailedError(ConflictError):
    """The campaign has mistakes; `details.checks` are the errors. An administrator may send it by force."""

    code = "PREFLIGHT_FAILED"


async def run(tx: Tx, rt: Runtime, campaign_id: UUID) -> PreflightOut:
    """All checks."""
    campaign = await campaigns.get(tx, tx.tenant, campaign_id)
    if campaign is None:
        raise NotFoundError("There is no such campaign")
    checks = await _checks(tx, rt, campaign)
    checks.append(await _import_age(tx, rt.clock.now()))
    found = {check.status for check in checks}
    status = "error" if "error" in found else "warning" if "warning" in found else "ok"
    return PreflightOut(campaign_id=campaign_id, status=status, checks=checks)


async def _checks(tx: Tx, rt: Runtime, campaign: Campaign) -> list[Check]:
    now = rt.clock.now()
    if campaign["channel"] == "sms":
        return [*await texts.words(tx, rt, campaign), *await texts.people(tx, rt, campaign, now)]
    contents, info = await _contents(tx, rt, campaign)
    checks = await _words(tx, rt, campaign, contents, info)
    return [*checks, *await _sender(tx, rt, info), *await _audience(tx, rt, campaign, now)]


async def require(tx: Tx, rt: Runtime, campaign_id: UUID) -> None:
    """Raises PreflightFailedError for mistakes in the contents. Nobody is asked, so it takes no time.

    What else is wrong with a campaign (its state, its audience) is for the send itself to say.
    """
    campaign = await campaigns.get(tx, tx.tenant, campaign_id)
    if campaign is None or campaign["status"] not in ("draft", "scheduled"):
        return
    if campaign["channel"] == "sms":
        checks = await texts.words(tx, rt, campaign)
    else:
        checks = await _words(tx, rt, campaign, *await _contents(tx, rt, campaign))
    errors = [check for check in checks if check.status == "error"]
    if errors:
        raise PreflightFailedError(
            "; ".join(check.message for check in errors)[:500],
            details={"checks": [check.model_dump() for check in errors]},
        )


async def _contents(tx: Tx, rt: Runtime, campaign: Campaign) -> tuple[dict[str, Content], CampaignInfo]:
    template = await campaigns.template(tx, tx.tenant, campaign["template_id"])
    assert template is not None, "the campaign's foreign key keeps its template"
    version = campaign["template_version"] or template["current_version"]
    contents = await load_contents(tx, tx.tenant, template["id"], version)
    return contents, campaign_info(rt, campaign, template["default_language"])


async def _words(
    tx: Tx, rt: Runtime, campaign: Campaign, contents: dict[str, Content], info: CampaignInfo
) -> list[Check]:
    """What is said to people, in the campaign's own words and in those of its variants."""
    version = (await current(tx, campaign))[2]
    checks = check_contents(contents, info, site_of(rt))
    checks += await _files(tx, campaign, campaign["template_id"], version, contents)
    test = await variants.find(tx, tx.tenant, campaign["id"])
    for variant in test["variants"] if test else ():
        place = f"variant {variant['number']}"
        try:
            other, own = await contents_of(tx, campaign, variant, contents)
        except BusinessRuleError as failure:
            checks.append(error("template", failure.message, "Choose another template", place))
            continue
        found = check_contents(other, info_of(info, variant), site_of(rt))
        template_id = variant["template_id"] or campaign["template_id"]
        found += await _files(tx, campaign, template_id, own or version, other)
        checks += _only_there(place, found, checks)
    return checks


def _only_there(place: str, found: list[Check], known: list[Check]) -> list[Check]:
    """What is wrong with a variant and not with the campaign, which says most of it."""
    return [
        check.model_copy(update={"content": f"{place}, {check.content}" if check.content else place})
        for check in found
        if check.status != "ok" and check not in known
    ]


def check_contents(contents: dict[str, Content], info: CampaignInfo, site: Site) -> list[Check]:
    """Every content as an invented person gets it, and the header of their mail."""
    checks: list[Check] = []
    variables = merge_variables(_SOMEBODY, campaign_name=info.name, unsubscribe_url="#unsubscribe")
    for name, content in contents.items():
        checks += check_content(name, content, render_preview(content, variables | {"code": "CODE"}))
    try:
        mail = compile_message(contents, campaign=info, site=site).render(_SOMEBODY)
    except RenderError as failure:
        return [*checks, error("rendering", f"The mail cannot be made: {failure}", "Correct the template")]
    return [*checks, *check_headers(mail, site.public_url)]


async def _files(
    tx: Tx, campaign: Campaign, template_id: UUID, version: int, contents: dict[str, Content]
) -> list[Check]:
    template = Owner(template_id=template_id, template_version=version)
    owners = (template, Owner(campaign_id=campaign["id"]))
    files = [use for owner in owners for use in await attachments.uses(tx, tx.tenant, owner)]
    names = {use["content_id"] for use in files}
    shown = [check_pictures(name, content.html, names) for name, content in contents.items()]
    return [check_weight(sum(use["size"] for use in files), contents.values()), *filter(None, shown)]


async def _sender(tx: Tx, rt: Runtime, info: CampaignInfo) -> list[Check]:
    domain = dkim.ascii_domain(info.from_email.rpartition("@")[2]).lower()
    found = await sending_domains.of_names(tx, tx.tenant, dkim.domains_above(domain))
    signing: DomainOut | None = (await dkim.with_keys(tx, [found]))[0] if found else None
    dns = TextRecords(settings_of(rt).sending_dns)
    mail_domain = site_of(rt).mail_domain
    return [
        await records.check_spf(dns, mail_domain),
        await records.check_dkim(dns, domain, signing),
        await records.check_dmarc(dns, domain),
        records.check_alignment(domain, mail_domain, signing),
    ]


async def _audience(tx: Tx, rt: Runtime, campaign: Campaign, now: datetime) -> list[Check]:
    try:
        selection = await selection_of(tx, tx.tenant, campaign, now)
    except (audience.UnknownTagsError, UnknownSegmentError) as failure:
        return [error("audience", failure.message, "Correct the tags and the segment")]
    count = (await audience.count(tx, tx.tenant, selection, now)).eligible
    if not count:
        return [error("audience", "Nobody would get this mail", "Choose other tags, or import contacts")]
    return [ok("audience", f"{count} people would get this mail"), *await check_codes(rt, campaign, count)]


async def _import_age(tx: Tx, now: datetime) -> Check:
    last = await repository.last_import(tx, tx.tenant)
    if last is None or now - last > _OLD:
        said = "never" if last is None else f"last {(now - last).days} days ago"
        advice = "Have the addresses validated first: old lists bounce"
        return warning("last_import", f"Contacts were brought in {said}", advice)
    return ok("last_import", f"Contacts were last brought in {(now - last).days} days ago")
