"""Which campaigns a tenant's MailWizz sends, and whether it can."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from campaign_service.ab import service as ab
from campaign_service.attachments import repository as attachments
from campaign_service.attachments.repository import Owner
from campaign_service.channels import service as channels
from campaign_service.channels.model import Provider
from campaign_service.rendering import Content
from shared.database import Tx
from shared.errors import BusinessRuleError
from shared.jobs import JobAlreadyActive
from shared.web import Runtime

from . import repository
from .tags import Mapped, mapped

Campaign = dict[str, Any]
TENANT_JOB = "mailwizz.poll-tenant"
#: Fields of a campaign that ask for what only our own sender does.
_OURS = ("code_pool", "local_time", "send_window")


async def carrier_of(
    tx: Tx, runtime: Runtime, campaign: Campaign, template: dict[str, Any], contents: Mapping[str, Content]
) -> Provider | None:
    """The MailWizz that is to send the campaign: the tenant's first provider, where it sends campaigns.

    Raises BusinessRuleError for what MailWizz cannot send.
    """
    providers = await channels.providers(runtime, tx)
    if not providers or providers[0].settings.get("sends") != "campaigns":
        return None
    asked = [name for name in _OURS if campaign[name] is not None]
    asked += ["variants"] if await ab.test_of(tx, campaign) is not None else []
    asked += ["attachments"] if await _has_files(tx, campaign, template) else []
    if asked:
        raise BusinessRuleError(f"MailWizz sends this campaign, and does not do {asked[0]}", field=asked[0])
    content = content_of(campaign, contents, template["default_language"])
    if content.fields and not providers[0].settings.get("list_uid"):
        missing = ", ".join(sorted(content.fields))
        raise BusinessRuleError(
            f"MailWizz sends this campaign, and has no list_uid with the fields {missing}",
            field="template_id",
        )
    return providers[0]


async def _has_files(tx: Tx, campaign: Campaign, template: dict[str, Any]) -> bool:
    version = template["current_version"]
    owners = (Owner(template_id=template["id"], template_version=version), Owner(campaign_id=campaign["id"]))
    return any([await attachments.uses(tx, campaign["tenant_id"], owner) for owner in owners])


def content_of(campaign: Campaign, contents: Mapping[str, Content], default_language: str) -> Mapped:
    """The one content that all get, with MailWizz's tags."""
    language = campaign["language"] or default_language
    fits = [key for key in contents if campaign["language"] is None or key.partition("/")[0] == language]
    if len(fits) != 1:
        raise BusinessRuleError(
            "MailWizz sends this campaign, and gives all the same content: name one language",
            field="language",
        )
    return mapped(contents[fits[0]])


async def hand_over(tx: Tx, runtime: Runtime, campaign: Campaign, provider: Provider) -> None:
    """A campaign just started is MailWizz's from here on."""
    await repository.insert(tx, campaign["tenant_id"], campaign["id"], provider.name)
    with suppress(JobAlreadyActive):
        await runtime.jobs.enqueue(tx, TENANT_JOB, {}, tenant_id=campaign["tenant_id"], unique_key="poll")
