"""Campaigns that a tenant's MailWizz sends: brought there once, kept in step, counted as all others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from campaign_service.mailwizz.carrying import repository
from campaign_service.mailwizz.carrying.service import FORM_FIELDS
from campaign_service.mailwizz.client import MailWizzRefusedError, MailWizzUnavailableError
from campaign_service.sending import repository as sending
from shared.jobs import LeaseLostError
from shared.utils import uuid7
from tests.simulators.mailwizz import bounce, delivery, person

from .campaigns_kit import Kit
from .wizz_kit import HTML, PATTERN, Wizz, configure, open_wizz


@pytest.fixture
async def wizz(kit: Kit) -> AsyncIterator[Wizz]:
    async with open_wizz(kit) as opened:
        yield opened


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
    assert (sent.status, sent.form["from_email"]) == ("sending", "news@example.com")
    assert await wizz.states(campaign) == ["queued"] * 3
    # Our own sender leaves it alone.
    async with kit.db.system_tx() as tx:
        assert campaign not in {key.campaign_id for key in await sending.sending_campaigns(tx)}

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
    uid = wizz.uid
    sent = wizz.server.campaigns.sent[uid]
    for action, expected in (("pause", "paused"), ("resume", "sending"), ("cancel", "paused")):
        await wizz.kit.ok("POST", f"/{campaign}/{action}")
        await wizz.advance()
        assert sent.status == expected
    assert await wizz.states(campaign) == ["cancelled"] * 3
    assert await _open(wizz) == 1
    await wizz.advance()
    assert (await _open(wizz), list(wizz.server.campaigns.sent)) == (0, [uid])


async def _open(wizz: Wizz) -> int:
    async with wizz.kit.db.tenant_tx(wizz.kit.tenant) as tx:
        return len(await repository.not_over(tx, wizz.kit.tenant))


async def test_of_two_campaigns_made_at_once_one_sends_and_the_other_goes(wizz: Wizz) -> None:
    campaign = await wizz.started()
    wizz.server.campaigns.twins = 1
    await wizz.advance()
    (uid,) = wizz.server.campaigns.sent
    assert wizz.server.campaigns.sent[uid].status == "sending"
    assert (await wizz.kit.ok("GET", f"/{campaign}"))["external_ref"] == uid


async def test_what_is_left_of_a_cancelled_campaign_is_cleared_away_until_it_is_gone(wizz: Wizz) -> None:
    campaign = await wizz.started()
    wizz.server.campaigns.lose_answers = 1
    with pytest.raises(MailWizzUnavailableError):
        await wizz.advance()
    await wizz.kit.ok("POST", f"/{campaign}/cancel")
    wizz.server.faults = [503]
    with pytest.raises(MailWizzUnavailableError):
        await wizz.advance()
    await wizz.advance()
    assert (list(wizz.server.campaigns.sent), list(wizz.server.campaigns.lists)) == ([], [PATTERN])
    # The lost request may still be on its way; a day later it is not.
    assert await _open(wizz) == 1
    wizz.kit.clock.advance(86_400)
    await wizz.advance()
    assert await _open(wizz) == 0


async def test_without_a_list_to_copy_there_is_one_with_names_and_addresses(wizz: Wizz) -> None:
    await configure(wizz.kit, wizz.server)
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
