"""A campaign's content, through the one renderer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from campaign_service.campaigns import repository
from campaign_service.rendering import (
    CampaignInfo,
    Content,
    Preview,
    Recipient,
    choose_content,
    compile_message,
    merge_variables,
    render_preview,
)
from campaign_service.settings import settings_of, site_of
from shared.database import Tx
from shared.errors import NotFoundError, ValidationError
from shared.web import Runtime

Campaign = dict[str, Any]
SAMPLE_CODE = "SAMPLE-CODE"
_SOMEBODY = Recipient(UUID(int=0), "recipient@example.com")


async def load_contents(tx: Tx, tenant_id: UUID, template_id: UUID, version: int) -> dict[str, Content]:
    """Language to content, of one template version."""
    rows = await repository.template_contents(tx, tenant_id, template_id, version)
    return {
        language: Content(subject=row["subject"], html=row["html"], text=row["text"])
        for language, row in rows.items()
    }


def campaign_info(runtime: Runtime, campaign: Campaign, default_language: str) -> CampaignInfo:
    """What every mail of the campaign has in common."""
    return CampaignInfo(
        tenant_id=campaign["tenant_id"],
        id=campaign["id"],
        name=campaign["name"],
        from_name=campaign["from_name"],
        from_email=campaign["from_email"] or settings_of(runtime).from_email,
        reply_to=campaign["reply_to"],
        default_language=default_language,
    )


def tracked_links(
    runtime: Runtime, campaign: Campaign, contents: dict[str, Content], default_language: str
) -> list[str]:
    """The link table of the campaign over all languages; raises `TemplateSyntaxError`."""
    info = campaign_info(runtime, campaign, default_language)
    return list(compile_message(contents, campaign=info, site=site_of(runtime)).links)


async def current(tx: Tx, campaign: Campaign) -> tuple[dict[str, Content], str, int]:
    """What the campaign sends, or would send now: contents, default language and template version."""
    template = await repository.template(tx, campaign["tenant_id"], campaign["template_id"])
    if template is None:
        raise NotFoundError("The template of this campaign is gone")
    version = campaign["template_version"] or template["current_version"]
    contents = await load_contents(tx, campaign["tenant_id"], template["id"], version)
    return contents, template["default_language"], version


async def preview(
    tx: Tx,
    campaign: Campaign,
    contact_id: UUID | None,
    language: str | None,
    other: dict[str, Content] | None = None,
) -> tuple[Preview, str, Recipient]:
    """The mail as one contact would see it (default: the tenant's first), and its language.

    `other` contents, a variant's, stand in for the campaign's.
    """
    recipient = await _recipient(tx, campaign["tenant_id"], contact_id)
    if campaign["code_pool"] is not None:
        recipient = replace(recipient, code=SAMPLE_CODE)
    contents, default, _ = await current(tx, campaign)
    contents = other or contents
    if language is not None and language not in contents:
        raise ValidationError(
            f"The template has no content in {language}",
            field="language",
            details={"languages": sorted(contents)},
        )
    wanted = campaign["language"] or recipient.language
    chosen = language or choose_content(contents, wanted, recipient.category, default)
    variables = merge_variables(recipient, campaign_name=campaign["name"], unsubscribe_url="#unsubscribe")
    return render_preview(contents[chosen], variables), chosen, recipient


async def _recipient(tx: Tx, tenant_id: UUID, contact_id: UUID | None) -> Recipient:
    row = await repository.contact(tx, tenant_id, contact_id)
    if row is None:
        if contact_id is not None:
            raise NotFoundError("There is no such contact")
        return _SOMEBODY
    return Recipient(
        contact_id=row["id"],
        email=row["email"] or "",
        language=row["language"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        country=row["country"],
        category=row["category"],
        custom=row["custom_fields"],
    )
