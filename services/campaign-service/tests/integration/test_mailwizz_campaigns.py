"""Campaigns that a tenant's MailWizz sends: brought there once, kept in step, counted as all others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from campaign_service.channels import service as channels
from campaign_service.mailwizz.carrying import repository
from campaign_service.mailwizz.carrying.service import FORM_FIELDS, Carrier
from campaign_service.mailwizz.client import MailWizzClient, MailWizzRefusedError, MailWizzUnavailableError
from campaign_service.sending import repository as sending
from shared.database import Tx
from shared.jobs import LeaseLostError
from shared.utils import uuid7
from tests.simulators.mailwizz import KEY, MailWizz, bounce, delivery, person, running
from tests.simulators.mailwizz.campaigns import MailingList

from .campaigns_kit import Kit

PATTERN = "pa00000000001"
HTML = (
    "<html><body><p>Dear {{ first_name }} of {{ contact.custom.club }}</p>"
    '<a href="https://shop.example.com">shop</a><a href="{{ unsubscribe_url }}">bye</a></body></html>'
)


@dataclass
class Wizz:
    """A tenant whose campaigns MailWizz sends. The worker is believed dead after so many `openings`."""

    kit: Kit
    server: MailWizz
    openings: int = 1000

    @property
    def uid(self) -> str:
        """Of the only campaign there."""
        (uid,) = self.server.campaigns.sent
        return uid

    async def advance(self) -> None:
        """One round of what is done every few minutes."""
        async with self.kit.db.tenant_tx(self.kit.tenant) as tx:
            (provider,) = await channels.providers(self.kit.runtime, tx)
            carried = await repository.not_over(tx, self.kit.tenant)
        async with MailWizzClient(self.server.url, KEY, ["127.0.0.1"]) as client:
            for one in carried:
                await Carrier(self.kit.runtime, client, provider, self._tx).advance(one)

    @asynccontextmanager
    async def _tx(self) -> AsyncIterator[Tx]:
        if self.openings == 0:
            raise LeaseLostError
        self.openings -= 1
        async with self.kit.db.tenant_tx(self.kit.tenant) as tx:
            yield tx

    async def started(self, contacts: int = 3) -> UUID:
        template = await self.kit.add_template(("en",), HTML)
        return await self.kit.started(contacts, template_id=str(template), from_email="news@example.com")

    async def emails(self, campaign: UUID) -> list[str]:
        return [row["email"].lower() for row in await self.kit.recipients(campaign)]

    async def states(self, campaign: UUID) -> list[str]:
        return [row["state"] for row in await self.kit.recipients(campaign)]

    async def status(self, campaign: UUID) -> str:
        return str((await self.kit.ok("GET", f"/{campaign}"))["status"])


@pytest.fixture
async def wizz(kit: Kit) -> AsyncIterator[Wizz]:
    async with running(MailWizz()) as server:
        server.campaigns.lists[PATTERN] = MailingList("Pattern", ("EMAIL", "FNAME", "LNAME", "CLUB"))
        await _configure(kit, server, list_uid=PATTERN)
        yield Wizz(kit, server)


async def _configure(kit: Kit, server: MailWizz, **more: str) -> None:
    provider = {"name": "wizz", "kind": "mailwizz", "url": server.url, "secret": KEY, "sends": "campaigns"}
    path = f"/api/v2/sending/{kit.tenant}/channels"
    answer = await kit.request("PUT", path, json={"email": [provider | more]})
    assert answer.status_code == 200, answer.text


async def test_a_campaign_goes_out_as_one_of_mailwizz_and_is_counted_as_it_says(wizz: Wizz) -> None:
    kit = wizz.kit
    campaign = await wizz.started()
    await kit.execute(
        "UPDATE contact SET custom_fields = $2, first_name = 'Ann <b>' WHERE tenant_id = $1",
        kit.tenant,
        {"club": "Rowing"},
    )
    await wizz.advance()
    ann, bea, cat = await wizz.emails(campaign)
    mails = wizz.server.campaigns.mails(wizz.uid)
    assert sorted(mails) == sorted((ann, bea, cat))
    subject, html = mails[ann]
    assert subject == "[en] Hello Ann b"
    assert "Dear Ann b of Rowing" in html
    assert 'href="https://wizz.example.com/lists/unsubscribe"' in html
    sent = wizz.server.campaigns.sent[wizz.uid]
    assert (sent.status, sent.form["from_email"]) == ("pending-sending", "news@example.com")
    assert await wizz.states(campaign) == ["queued"] * 3
    # Our own sender leaves it alone.
    async with kit.db.system_tx() as tx:
        assert campaign not in {key.campaign_id for key in await sending.sending_campaigns(tx)}

    sent.status = "sending"
    wizz.server.add(wizz.uid, "delivery-logs", delivery(ann, confirmed=False), delivery(bea))
    await wizz.advance()
    assert await wizz.states(campaign) == ["accepted", "delivered", "queued"]
    assert await kit.counts(campaign) == {"sent": 2, "delivered": 1}

    sent.status = "sent"
    wizz.server.add(wizz.uid, "bounces", bounce(ann))
    wizz.server.add(wizz.uid, "unsubscribes", {"subscriber": person(bea)})
    await wizz.advance()
    assert await wizz.states(campaign) == ["bounced_hard", "delivered", "failed"]
    assert await wizz.status(campaign) == "partially_failed"
    counted = {"sent": 2, "delivered": 1, "bounced_hard": 1, "unsubscribed": 1, "failed": 1}
    assert await kit.counts(campaign) == counted
    assert len(await kit.published("campaign.campaign.completed.v1")) == 1
    assert (await kit.campaigns("POST", f"/{campaign}/retry-failed")).status_code in (400, 409)


async def test_whatever_answer_is_lost_there_is_one_list_one_campaign_and_everybody_once(wizz: Wizz) -> None:
    campaign = await wizz.started(FORM_FIELDS // 6 + 5)
    for requests in range(1, 12):
        # The request of this number is answered by a fault; those before it go through.
        wizz.server.fault_at = requests
        try:
            await wizz.advance()
        except MailWizzUnavailableError:
            continue
        break
    assert list(wizz.server.campaigns.sent) == [wizz.uid]
    assert sorted(wizz.server.campaigns.mails(wizz.uid)) == sorted(await wizz.emails(campaign))


async def test_a_campaign_made_of_which_nobody_heard_is_found_again(wizz: Wizz) -> None:
    campaign = await wizz.started()
    wizz.server.campaigns.lose_answers = 1
    with pytest.raises(MailWizzUnavailableError):
        await wizz.advance()
    await wizz.advance()
    assert (await wizz.kit.ok("GET", f"/{campaign}"))["external_ref"] == wizz.uid
    assert len(wizz.server.campaigns.lists) == 2


async def test_a_worker_believed_dead_stops_before_its_next_step(wizz: Wizz) -> None:
    await wizz.started()
    made = []
    for openings in range(30):
        wizz.openings = openings
        try:
            await wizz.advance()
            break
        except LeaseLostError:
            made.append((len(wizz.server.campaigns.lists), len(wizz.server.campaigns.sent)))
    assert made[0] == (1, 0)
    assert (2, 0) in made
    assert (len(wizz.server.campaigns.lists), len(wizz.server.campaigns.sent)) == (2, 1)


async def test_it_is_paused_resumed_and_cancelled_there_as_here(wizz: Wizz) -> None:
    campaign = await wizz.started()
    await wizz.advance()
    sent = wizz.server.campaigns.sent[wizz.uid]
    for action, expected in (("pause", "paused"), ("resume", "sending"), ("cancel", "paused")):
        await wizz.kit.ok("POST", f"/{campaign}/{action}")
        await wizz.advance()
        assert sent.status == expected
    assert await wizz.states(campaign) == ["cancelled"] * 3
    async with wizz.kit.db.tenant_tx(wizz.kit.tenant) as tx:
        assert await repository.not_over(tx, wizz.kit.tenant) == []


async def test_without_a_list_to_copy_there_is_one_with_names_and_addresses(wizz: Wizz) -> None:
    await _configure(wizz.kit, wizz.server)
    refused = await _sent(wizz, HTML)
    assert (refused.status_code, "CLUB" in refused.text) == (400, True)
    fine = await _sent(wizz, HTML.replace("contact.custom.club", "last_name"))
    assert fine.status_code == 202, fine.text
    await wizz.advance()
    names = [known.name for known in wizz.server.campaigns.lists.values()]
    assert [name for name in names if name.startswith("Spring (")]


@pytest.mark.parametrize(
    ("written", "named"),
    [("{% if first_name %}x{% endif %}", "conditions"), ("{{ first_name | upcase }}", "no tag")],
)
async def test_what_mailwizz_cannot_do_is_said_before_anybody_is_written_to(
    wizz: Wizz, written: str, named: str
) -> None:
    answer = await _sent(wizz, HTML.replace("{{ first_name }}", written))
    assert answer.status_code == 400, answer.text
    assert named in answer.json()["error"]["message"]


async def _sent(wizz: Wizz, html: str, **fields: Any) -> Any:
    await wizz.kit.add_contacts(1, prefix=f"q{uuid7().hex[-8:]}")
    template = await wizz.kit.add_template(("en",), html)
    created = await wizz.kit.create(template_id=str(template), **fields)
    return await wizz.kit.campaigns("POST", f"/{created['id']}/send")


async def test_a_refusal_is_told_apart_from_trouble(wizz: Wizz) -> None:
    await wizz.started()
    del wizz.server.campaigns.lists[PATTERN]
    with pytest.raises(MailWizzRefusedError, match="404"):
        await wizz.advance()
