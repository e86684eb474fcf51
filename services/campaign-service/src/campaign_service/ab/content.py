"""The mails of a campaign in variants, each compiled once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from campaign_service.ab import repository
from campaign_service.campaigns import repository as campaigns
from campaign_service.campaigns.content import load_contents
from campaign_service.rendering import (
    CampaignInfo,
    CompiledCampaign,
    Content,
    OutgoingMail,
    Recipient,
    Site,
    compile_message,
)
from shared.database import Tx
from shared.errors import BusinessRuleError

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
    whole = compile_message(plain, campaign=info, site=site, links=links)
    test = await repository.find(tx, campaign["tenant_id"], campaign["id"])
    if test is None:
        return whole
    variants = {}
    for variant in test["variants"]:
        contents, _ = await contents_of(tx, campaign, variant, plain)
        variants[variant["number"]] = compile_message(
            contents, campaign=info_of(info, variant), site=site, links=links
        )
    return CompiledVariants(whole, variants)
