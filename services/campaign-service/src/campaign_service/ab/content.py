"""The mails of a campaign in variants, each compiled once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from campaign_service.ab import repository
from campaign_service.attachments import service as attachments
from campaign_service.attachments.repository import Owner
from campaign_service.campaigns import repository as campaigns
from campaign_service.campaigns.content import current, load_contents
from campaign_service.rendering import (
    CampaignInfo,
    CompiledCampaign,
    Content,
    File,
    OutgoingMail,
    Recipient,
    Site,
    compile_message,
)
from shared.database import Tx
from shared.errors import BusinessRuleError, NotFoundError

Campaign = dict[str, Any]
Contents = dict[str, Content]


class CompiledVariants:
    """Like a `CompiledCampaign`, with the mail of the recipient's variant."""

    def __init__(self, plain: CompiledCampaign, variants: Mapping[int, CompiledCampaign]) -> None:
        self._plain = plain
        self._variants = variants

    def mail(self, recipient: Recipient) -> OutgoingMail:
        """Raises RenderError when this recipient's mail cannot be made."""
        return self._variants.get(recipient.variant, self._plain).mail(recipient)


async def contents_of(
    tx: Tx, campaign: Campaign, variant: dict[str, Any], plain: Contents
) -> tuple[Contents, int | None]:
    """A variant's contents by language, and the version of its own template.

    Raises `BusinessRuleError` when that template is gone.
    """
    contents, version = plain, variant["template_version"]
    if variant["template_id"] is not None:
        template = await campaigns.template(tx, campaign["tenant_id"], variant["template_id"])
        if template is None or (version is None and template["is_archived"]):
            raise BusinessRuleError(
                f"The template of variant {variant['number']} is archived", field="template_id"
            )
        version = version or template["current_version"]
        contents = await load_contents(tx, campaign["tenant_id"], template["id"], version)
    subject = variant["subject"]
    if subject is not None:
        contents = {language: replace(content, subject=subject) for language, content in contents.items()}
    return contents, version


def info_of(plain: CampaignInfo, variant: dict[str, Any]) -> CampaignInfo:
    return replace(plain, from_name=variant["from_name"]) if variant["from_name"] else plain


async def compiled(
    tx: Tx, campaign: Campaign, plain: Contents, *, info: CampaignInfo, site: Site, links: list[str]
) -> CompiledCampaign | CompiledVariants:
    """The mails of a started campaign."""
    files = await _files(tx, campaign, campaign["template_id"], campaign["template_version"])
    whole = compile_message(plain, campaign=info, site=site, links=links, files=files)
    test = await repository.find(tx, campaign["tenant_id"], campaign["id"])
    if test is None:
        return whole
    variants = {}
    for variant in test["variants"]:
        contents, version = await contents_of(tx, campaign, variant, plain)
        own = variant["template_id"]
        carried = await _files(tx, campaign, own, version) if own else files
        variants[variant["number"]] = compile_message(
            contents, campaign=info_of(info, variant), site=site, links=links, files=carried
        )
    return CompiledVariants(whole, variants)


async def _files(tx: Tx, campaign: Campaign, template_id: UUID, version: int | None) -> list[File]:
    template = Owner(template_id=template_id, template_version=version)
    return await attachments.files(tx, [template, Owner(campaign_id=campaign["id"])])


async def find_variant(tx: Tx, campaign: Campaign, number: int) -> dict[str, Any]:
    """Raises NotFoundError."""
    test = await repository.find(tx, campaign["tenant_id"], campaign["id"])
    for variant in test["variants"] if test else ():
        if variant["number"] == number:
            found: dict[str, Any] = variant
            return found
    raise NotFoundError(f"The campaign has no variant {number}", field="variant")


async def variant_contents(tx: Tx, campaign: Campaign, number: int) -> Contents:
    """What a variant says, as things are now. Raises NotFoundError, BusinessRuleError."""
    variant = await find_variant(tx, campaign, number)
    plain, _, _ = await current(tx, campaign)
    return (await contents_of(tx, campaign, variant, plain))[0]
