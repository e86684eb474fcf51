"""Providers that take mails by HTTP, in their own wire formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from tests.simulators import mailwizz, messenger, powermta
from tests.simulators.processes import smtp_sink

from .campaigns_kit import Kit
from .test_channels import circuits, configure, free_port, smtp
from .test_sending_worker import campaign_to, sending, states, status, until


async def is_over(kit: Kit, campaign: UUID) -> bool:
    return await status(kit, campaign) in ("sent", "partially_failed")


async def send(kit: Kit, *names: str) -> UUID:
    """A campaign, until it is over. The installation's own mail server is not there."""
    campaign = await campaign_to(kit, *names)
    async with sending(kit, free_port()):
        await until(lambda: is_over(kit, campaign))
    return campaign


def pmta(address: str, **more: Any) -> dict[str, Any]:
    return {"name": "pmta", "kind": "powermta-http", "url": address, "secret": powermta.KEY, **more}


async def test_powermta_gets_a_transmission_for_each_mail(lone_kit: Kit) -> None:
    async with powermta.running(powermta.PowerMta(refused={"bea@example.com"})) as server:
        wanted = pmta(server.address, verp_domain="b.example.com", virtual_mta="p1", connections=1)
        await configure(lone_kit, wanted)
        campaign = await send(lone_kit, "ann", "bea")
    assert await states(lone_kit, campaign) == {"ann": "accepted", "bea": "bounced_hard"}
    (body,) = server.taken
    (row,) = [row for row in await lone_kit.recipients(campaign) if row["state"] == "accepted"]
    assert body["campaign_id"] == str(campaign)
    assert body["recipients"] == [{"address": {"email": "ann@example.com"}}]
    assert body["return_path"] == f"b-{lone_kit.ref(campaign, row['contact_id'])}@b.example.com"
    assert body["content"]["email_rfc822"].startswith("x-virtual-mta: p1\r\n")
    assert "\r\n\r\n" in body["content"]["email_rfc822"]


async def test_an_answer_that_never_comes_is_ambiguous_and_goes_to_no_other(
    lone_kit: Kit, tmp_path: Path
) -> None:
    with smtp_sink(tmp_path) as sink:
        async with powermta.running(powermta.PowerMta(faults=[0])) as server:
            await configure(lone_kit, pmta(server.address, connections=1), smtp("spare", sink.port))
            campaign = await send(lone_kit, "ann", "bea")
        left = await states(lone_kit, campaign)
        taken = [body["recipients"][0]["address"]["email"] for body in server.taken]
        taken += [message["recipient"] for message in sink.messages()]
    assert sorted(left.values()) == ["accepted", "ambiguous"]
    assert sorted(taken) == ["ann@example.com", "bea@example.com"]


async def test_a_provider_that_does_not_know_us_is_left_for_the_next(lone_kit: Kit, tmp_path: Path) -> None:
    with smtp_sink(tmp_path) as sink:
        async with powermta.running(powermta.PowerMta()) as server:
            wrong = pmta(server.address) | {"secret": "w" * 32}
            await configure(lone_kit, wrong, smtp("spare", sink.port))
            campaign = await send(lone_kit, "ann", "bea")
        assert len(sink.messages()) == 2
    assert set((await states(lone_kit, campaign)).values()) == {"accepted"}
    assert (await circuits(lone_kit))["pmta"] == "open"


async def test_a_messenger_gets_signed_json(lone_kit: Kit) -> None:
    refused = {"bea@example.com": 422}
    async with messenger.running(messenger.Messenger(statuses=refused)) as server:
        own = {"name": "own", "kind": "messenger", "url": server.url, "secret": server.secret}
        await configure(lone_kit, own)
        campaign = await send(lone_kit, "ann", "bea")
    assert await states(lone_kit, campaign) == {"ann": "accepted", "bea": "failed"}
    (message,) = server.taken
    assert (message["channel"], message["to"]) == ("email", "ann@example.com")
    assert message["subject"] == "[en] Hello Zoë"
    assert "Hello Zo" in message["html"]
    assert message["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["message_id"].startswith("<")


async def test_mailwizz_gets_transactional_mails_as_forms(lone_kit: Kit) -> None:
    async with mailwizz.running(mailwizz.MailWizz()) as server:
        own = {"name": "wizz", "kind": "mailwizz", "url": server.url, "secret": mailwizz.KEY}
        await configure(lone_kit, own)
        campaign = await send(lone_kit, "ann")
    assert await states(lone_kit, campaign) == {"ann": "accepted"}
    (mail,) = server.mails
    assert (mail["to_email"], mail["subject"]) == ("ann@example.com", "[en] Hello Zoë")
    assert "<p>Hello Zo" in mail["body"]
    assert "Hello Zoë" in mail["plain_text"]
