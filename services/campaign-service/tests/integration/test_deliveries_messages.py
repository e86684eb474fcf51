"""What is heard about single messages, by webhook and by mail."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from campaign_service.mailwizz.client import MailWizzClient
from campaign_service.mailwizz.polling import poll_stream
from campaign_service.messages.references import reference
from shared.utils import uuid7
from tests.simulators.mailwizz import MailWizz, delivery

from .campaigns_kit import Kit
from .messages_kit import Messages
from .test_deliveries_webhooks import csv, issues, line
from .test_intake import DOMAIN, Postman, complaint, dsn, postman, reasons
from .test_mailwizz_polling import UID, campaign_of, client, wizz

__all__ = ["client", "postman", "wizz"]


class Sent:
    """A message that the mail server has taken."""

    def __init__(self, kit: Kit, messages: Messages, message_id: str) -> None:
        self._kit = kit
        self._messages = messages
        self.id = message_id
        self.ref = reference(UUID(message_id))

    async def now(self) -> dict[str, Any]:
        return await self._messages.get(self.id)

    async def webhook(self, *lines: str) -> dict[str, Any]:
        await self._kit.webhook("powermta", csv(*lines))
        return await self.now()


async def sent(kit: Kit) -> Sent:
    messages = Messages(kit.client, kit.tenant, kit.headers())
    message = await messages.send()
    await kit.execute(
        "UPDATE message SET state = 'accepted', accepted_at = now() WHERE tenant_id = $1", kit.tenant
    )
    return Sent(kit, messages, message["id"])


@pytest.mark.parametrize("named_by", ["envId", "orig", "jobId"])
async def test_a_delivery_is_seen_on_the_message_and_told_once(kit: Kit, named_by: str) -> None:
    message = await sent(kit)
    name = f"{message.ref.upper()}@bounce.example.com" if named_by == "orig" else message.ref
    said = {"dsnStatus": "2.1.5 (ok)", "dsnDiag": "smtp;250 2.1.5 taken", named_by: name}
    delivered = line(kit, "d", 1, **said)
    for _ in range(2):
        seen = await message.webhook(delivered)
    assert (seen["state"], seen["last_code"], seen["last_detail"]) == (
        "delivered",
        "2.1.5",
        "smtp;250 2.1.5 taken",
    )
    assert seen["delivered_at"] is not None
    (event,) = await kit.published("campaign.message.delivered.v1")
    assert event["data"]["message_id"] == message.id
    assert await issues(kit) == []


async def test_a_bounce_after_a_delivery_suppresses_the_address(kit: Kit) -> None:
    message = await sent(kit)
    await message.webhook(line(kit, "d", envId=message.ref))
    seen = await message.webhook(
        line(kit, "rb", 2, orig=f"{message.ref}@{DOMAIN}", bounceCat="bad-mailbox", dsnStatus="5.1.1 (no)")
    )
    assert (seen["state"], seen["last_code"]) == ("bounced_hard", "5.1.1")
    assert seen["bounced_at"] > seen["delivered_at"]
    held = await kit.fetch("SELECT address_lower, reason FROM suppression WHERE tenant_id = $1", kit.tenant)
    assert [tuple(row.values()) for row in held] == [("anna@example.com", "hard_bounce")]
    (event,) = await kit.published("campaign.message.bounced.v1")
    assert (event["data"]["message_id"], event["data"]["kind"]) == (message.id, "hard")


async def test_a_bounce_of_a_message_takes_its_contact_out_of_running_campaigns(kit: Kit) -> None:
    await kit.execute(
        "INSERT INTO contact (tenant_id, id, email) VALUES ($1, $2, 'Anna@example.com')", kit.tenant, uuid7()
    )
    campaign = await kit.create()
    await kit.ok("POST", f"/{campaign['id']}/send")
    message = await sent(kit)
    await message.webhook(line(kit, "b", envId=message.ref, bounceCat="bad-domain"))
    assert [row["state"] for row in await kit.recipients(campaign["id"])] == ["skipped"]
    (contact,) = await kit.fetch("SELECT status FROM contact WHERE tenant_id = $1", kit.tenant)
    assert contact["status"] == "invalid"


async def test_soft_and_policy_bounces_of_a_message_blame_nobody(kit: Kit) -> None:
    for category, state in (("quota-issues", "bounced_soft"), ("spam-related", "failed")):
        message = await sent(kit)
        seen = await message.webhook(line(kit, "b", envId=message.ref, bounceCat=category))
        assert seen["state"] == state
    assert await reasons(kit) == []


async def test_bounces_and_complaints_of_messages_come_by_mail_too(kit: Kit, postman: Postman) -> None:
    bounced, complained = await sent(kit), await sent(kit)
    for _ in range(2):
        taken = await postman.bring(f"{bounced.ref}@{DOMAIN}", dsn())
        assert taken.startswith("2.0.0")
    await postman.bring(f"fbl@{DOMAIN}", complaint(complained.ref), "fbl@provider.example")
    assert (await bounced.now())["state"] == "bounced_hard"
    seen = await complained.now()
    assert (seen["state"], seen["complained_at"] is not None) == ("complained", True)
    assert await reasons(kit) == [("complaint", "mail")]
    assert len(await kit.published("campaign.message.bounced.v1")) == 1


async def test_a_bounce_of_a_message_that_is_gone_is_sent_back(kit: Kit, postman: Postman) -> None:
    forged = f"{reference(uuid7())}@{DOMAIN}"
    assert await postman.bring(forged, dsn()) == "550 5.1.1 This message is gone"


async def test_another_tenants_message_is_not_touched(kit: Kit, tenant_b: UUID) -> None:
    message = await sent(kit)
    body = csv(line(kit, "b", envId=message.ref, bounceCat="bad-mailbox"))
    await kit.webhook("powermta", body, tenant=tenant_b)
    assert (await message.now())["state"] == "accepted"
    assert await reasons(kit) == []


async def test_a_strangers_words_stay_on_the_message_alone(kit: Kit) -> None:
    """Without a contact nobody could erase them from the history."""
    message = await sent(kit)
    await message.webhook(
        line(kit, "b", envId=message.ref, bounceCat="bad-mailbox", dsnDiag="smtp;550 <anna@example.com> gone")
    )
    (event,) = await kit.fetch(
        "SELECT contact_id, detail FROM message_event WHERE tenant_id = $1", kit.tenant
    )
    assert event["contact_id"] is None
    assert (event["detail"]["message_id"], "diagnostic" in event["detail"]) == (message.id, False)


async def test_messages_are_listed_by_what_became_of_them(kit: Kit) -> None:
    message = await sent(kit)
    await message.webhook(line(kit, "f", envId=message.ref, feedbackType="abuse"))
    answer: httpx.Response = await kit.request("GET", f"/api/v2/messages/{kit.tenant}?state=complained")
    assert [found["id"] for found in answer.json()["data"]] == [message.id]


async def test_what_mailwizz_tells_of_a_message_is_applied_to_it(
    kit: Kit, wizz: MailWizz, client: MailWizzClient
) -> None:
    source, _ = await campaign_of(kit, 1)
    message = await sent(kit)
    named = {"email_message_id": f"<{message.ref}@{DOMAIN}>"}
    wizz.add(UID, "delivery-logs", delivery("anna@example.com") | named)
    assert await poll_stream(kit.runtime, client, source, "delivery-logs") == 1
    assert (await message.now())["state"] == "delivered"
    assert await issues(kit) == []


async def test_a_late_report_about_somebody_erased_brings_nothing_back(kit: Kit) -> None:
    contact_id = uuid7()
    await kit.execute(
        "INSERT INTO contact (tenant_id, id, email) VALUES ($1, $2, 'anna@example.com')",
        kit.tenant,
        contact_id,
    )
    message = await sent(kit)
    gone = await kit.request("POST", f"/api/v2/contacts/{kit.tenant}/{contact_id}/erase")
    assert gone.is_success, gone.text
    seen = await message.webhook(
        line(kit, "b", envId=message.ref, bounceCat="bad-mailbox", dsnDiag="smtp;550 <anna@example.com> gone")
    )
    assert (seen["state"], seen["last_detail"]) == ("bounced_hard", None)
    assert await reasons(kit) == []
    assert await kit.published("campaign.message.bounced.v1") == []
