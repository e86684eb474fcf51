"""Mails that come back, brought over SMTP as another mail server brings them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import aiosmtplib
import pytest

from campaign_service.intake.server import listen
from campaign_service.messages.references import subject_of
from campaign_service.settings import site_of

from .campaigns_kit import Kit

DOMAIN = "mail.tidings.localhost"


class Postman:
    """Another mail server."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def bring(self, recipient: str, text: str, sender: str = "") -> str:
        """The reply to a mail, to its recipient or to its content."""
        mail = text.replace("\n", "\r\n").encode()
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=self._port, start_tls=False) as smtp:
            try:
                _, reply = await smtp.sendmail(sender, [recipient], mail)
            except aiosmtplib.SMTPRecipientsRefused as refused:
                return f"{refused.recipients[0].code} {refused.recipients[0].message}"
            except aiosmtplib.SMTPDataError as refused:
                return f"{refused.code} {refused.message}"
        return reply


@pytest.fixture
async def postman(kit: Kit) -> AsyncIterator[Postman]:
    server = await listen(kit.runtime, "127.0.0.1", 0)
    async with server:
        yield Postman(server.sockets[0].getsockname()[1])


async def mailed(kit: Kit) -> tuple[UUID, str]:
    """A campaign that reached one person, and the reference of the mail."""
    campaign_id = await kit.accepted(1)
    (row,) = await kit.recipients(campaign_id)
    kit.clock.advance(60)
    return campaign_id, kit.ref(campaign_id, row["contact_id"])


def dsn(status: str = "5.1.1", action: str = "failed", number: int = 1) -> str:
    return (
        f"From: MAILER-DAEMON@mx.example.net\nMessage-ID: <{number}@mx.example.net>\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="x"\n\n'
        "--x\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n"
        f"Final-Recipient: rfc822; x@example.com\nAction: {action}\nStatus: {status}\n\n--x--\n"
    )


def complaint(ref: str) -> str:
    return (
        'From: fbl@provider.example\nMIME-Version: 1.0\nContent-Type: multipart/report; boundary="x"\n\n'
        "--x\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: Loop/1\n\n"
        f"--x\nContent-Type: message/rfc822\n\nMessage-ID: <{ref}@{DOMAIN}>\n\nhello\n--x--\n"
    )


async def reasons(kit: Kit) -> list[tuple[str, str]]:
    rows = await kit.fetch("SELECT reason, source FROM suppression WHERE tenant_id = $1", kit.tenant)
    return [(row["reason"], row["source"]) for row in rows]


async def test_a_hard_bounce_by_mail_ends_in_state_figures_and_suppression_once(
    kit: Kit, postman: Postman
) -> None:
    campaign_id, ref = await mailed(kit)
    for _ in range(2):
        assert (await postman.bring(f"b-{ref.upper()}@{DOMAIN}", dsn())).startswith("2.0.0")
    assert [row["state"] for row in await kit.recipients(campaign_id)] == ["bounced_hard"]
    assert (await kit.counts(campaign_id))["bounced_hard"] == 1
    assert await reasons(kit) == [("hard_bounce", "mail")]
    (event,) = await kit.published("campaign.message.bounced.v1")
    assert event["data"]["status"] == "5.1.1"


async def test_a_delay_changes_nothing_but_the_count_of_delays(kit: Kit, postman: Postman) -> None:
    campaign_id, ref = await mailed(kit)
    await postman.bring(f"b-{ref}@{DOMAIN}", dsn("4.4.1", "delayed"))
    assert [row["state"] for row in await kit.recipients(campaign_id)] == ["accepted"]
    assert (await kit.counts(campaign_id))["deferred"] == 1


async def test_a_complaint_to_the_feedback_address_finds_its_mail(kit: Kit, postman: Postman) -> None:
    campaign_id, ref = await mailed(kit)
    await postman.bring(f"fbl@{DOMAIN}", complaint(ref), "fbl@provider.example")
    assert [row["state"] for row in await kit.recipients(campaign_id)] == ["complained"]
    assert await reasons(kit) == [("complaint", "mail")]


async def test_a_complaint_about_somebody_elses_mail_is_sent_back(kit: Kit, postman: Postman) -> None:
    await mailed(kit)
    reply = await postman.bring(f"fbl@{DOMAIN}", complaint("not-one-of-ours"), "fbl@provider.example")
    assert reply == "554 5.6.0 This report names no mail of ours"


async def test_a_mail_to_the_unsubscribe_address_unsubscribes_once(kit: Kit, postman: Postman) -> None:
    campaign_id, ref = await mailed(kit)
    for _ in range(2):
        await postman.bring(f"u-{ref}@{DOMAIN}", "From: x@example.com\n\nunsubscribe\n", "x@example.com")
    assert await reasons(kit) == [("unsubscribed", "mailto")]
    assert (await kit.counts(campaign_id))["unsubscribed"] == 1
    (event,) = await kit.published("campaign.message.unsubscribed.v1")
    assert event["data"]["via"] == "mailto"


async def test_a_single_mail_has_an_unsubscribe_address_too(kit: Kit, postman: Postman) -> None:
    body = {"to": {"email": "anna@example.com"}, "subject": "News", "text": "News", "purpose": "marketing"}
    made = await kit.request("POST", f"/api/v2/messages/{kit.tenant}", json=body)
    ref = site_of(kit.runtime).refs.make(*subject_of(UUID(made.json()["data"]["id"])))
    for _ in range(2):
        await postman.bring(f"u-{ref}@{DOMAIN}", "From: anna@example.com\n\nstop\n", "anna@example.com")
    assert await reasons(kit) == [("unsubscribed", "mailto")]
    (event,) = await kit.published("campaign.message.unsubscribed.v1")
    assert event["data"]["message_id"] == made.json()["data"]["id"]


async def test_an_answering_machine_neither_bounces_nor_unsubscribes(kit: Kit, postman: Postman) -> None:
    campaign_id, ref = await mailed(kit)
    away = "From: x@example.com\nAuto-Submitted: auto-replied\n\nI am away until 550 5.1.1.\n"
    for prefix in ("b", "u"):
        assert (await postman.bring(f"{prefix}-{ref}@{DOMAIN}", away)).startswith("2.0.0")
    assert [row["state"] for row in await kit.recipients(campaign_id)] == ["accepted"]
    assert await reasons(kit) == []


@pytest.mark.parametrize("forged", ["someone", "b-", "b-aaaa", "u-" + "a" * 60, "postmaster"])
async def test_only_addresses_we_gave_out_are_taken(kit: Kit, postman: Postman, forged: str) -> None:
    reply = await postman.bring(f"{forged}@{DOMAIN}", dsn())
    assert reply == "550 5.1.1 No such address here"


async def test_it_relays_for_nobody(kit: Kit, postman: Postman) -> None:
    assert (await postman.bring("fbl@elsewhere.example", dsn())).startswith("550")


async def test_what_is_no_report_is_kept_for_the_tenant(kit: Kit, postman: Postman) -> None:
    _, ref = await mailed(kit)
    for _ in range(2):
        await postman.bring(f"b-{ref}@{DOMAIN}", "From: x@example.com\n\nThank you!\n", "x@example.com")
    rows = await kit.fetch("SELECT source, reason, raw FROM delivery_issue WHERE tenant_id = $1", kit.tenant)
    assert [(row["source"], row["reason"]) for row in rows] == [("mail", "no_delivery_report")]
    assert "Thank you!" in rows[0]["raw"]


async def test_while_the_database_is_away_the_other_server_keeps_the_mail(kit: Kit, postman: Postman) -> None:
    campaign_id, ref = await mailed(kit)
    await kit.db.close()
    try:
        assert (await postman.bring(f"b-{ref}@{DOMAIN}", dsn())).startswith("451")
    finally:
        await kit.db.connect()
    assert (await postman.bring(f"b-{ref}@{DOMAIN}", dsn())).startswith("2.0.0")
    assert [row["state"] for row in await kit.recipients(campaign_id)] == ["bounced_hard"]


async def test_a_campaign_that_is_gone_is_said_to_be(kit: Kit, postman: Postman) -> None:
    campaign_id, ref = await mailed(kit)
    await kit.execute("DELETE FROM campaign WHERE tenant_id = $1 AND id = $2", kit.tenant, campaign_id)
    assert await postman.bring(f"b-{ref}@{DOMAIN}", dsn()) == "550 5.1.1 This mail's campaign is gone"
