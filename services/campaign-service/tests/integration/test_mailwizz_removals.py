"""Who may not be written to any more leaves the list at MailWizz too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from campaign_service.mailwizz.client import MailWizzRefusedError, MailWizzUnavailableError
from tests.simulators.mailwizz import delivery

from .campaigns_kit import Kit
from .wizz_kit import Wizz, open_wizz


@pytest.fixture
async def wizz(kit: Kit) -> AsyncIterator[Wizz]:
    async with open_wizz(kit) as opened:
        yield opened


async def _suppress(wizz: Wizz, address: str) -> None:
    path = f"/api/v2/suppressions/{wizz.kit.tenant}"
    assert (await wizz.kit.request("POST", path, json={"address": address})).is_success


async def _contact(wizz: Wizz, campaign: UUID, email: str) -> UUID:
    rows = await wizz.kit.recipients(campaign)
    return next(UUID(str(row["contact_id"])) for row in rows if row["email"].lower() == email)


async def _reason(wizz: Wizz, campaign: UUID) -> str | None:
    reason: str | None = (await wizz.kit.ok("GET", f"/{campaign}"))["status_reason"]
    return reason


async def test_who_leaves_before_it_begins_and_while_it_runs_gets_nothing(wizz: Wizz) -> None:
    kit = wizz.kit
    campaign = await wizz.started(5)
    ann, bea, cat, dan, eve = await wizz.emails(campaign)
    wizz.server.fault_at = 4
    with pytest.raises(MailWizzUnavailableError):
        await wizz.advance()
    assert sorted(next(x for x in wizz.server.campaigns.lists.values() if "Spring" in x.name).subscribers)
    await _suppress(wizz, ann)
    await wizz.advance()
    assert sorted(wizz.server.campaigns.mails(wizz.uid)) == [bea, cat, dan, eve]

    person = await _contact(wizz, campaign, bea)
    assert (await kit.client.post(f"/t/u/{kit.token(campaign, person)}")).is_success
    path = f"/api/v2/contacts/{kit.tenant}"
    assert (await kit.request("DELETE", f"{path}/{await _contact(wizz, campaign, cat)}")).is_success
    assert (await kit.request("POST", f"{path}/{await _contact(wizz, campaign, dan)}/erase")).is_success
    await wizz.advance()
    (people,) = [x for x in wizz.server.campaigns.lists.values() if "Spring" in x.name]
    assert (sorted(people.subscribers), people.unsubscribed) == ([ann, bea, eve], {ann, bea})
    states = {
        row["email"].lower(): (row["state"], row["skip_reason"]) for row in await kit.recipients(campaign)
    }
    assert [states[email] for email in (ann, bea, cat)] == [
        ("skipped", "manual"),
        ("skipped", "unsubscribed"),
        ("skipped", "contact_deleted"),
    ]
    kept = await kit.fetch("SELECT address FROM mailwizz_subscriber WHERE tenant_id = $1", kit.tenant)
    assert sorted(row["address"] for row in kept) == [ann, bea, eve]


async def test_who_was_mailed_before_they_could_be_taken_off_is_counted_as_mailed(wizz: Wizz) -> None:
    campaign = await wizz.started(2)
    await wizz.advance()
    ann, _ = await wizz.emails(campaign)
    await _suppress(wizz, ann)
    wizz.server.add(wizz.uid, "delivery-logs", delivery(ann, confirmed=False))
    await wizz.advance()
    assert await wizz.states(campaign) == ["accepted", "queued"]
    assert await wizz.kit.counts(campaign) == {"sent": 1}


async def test_whom_mailwizz_does_not_let_go_is_told_and_tried_again(wizz: Wizz) -> None:
    campaign = await wizz.started(2)
    ann, bea = await wizz.emails(campaign)
    await wizz.advance()
    wizz.server.campaigns.kept = {ann}
    await _suppress(wizz, ann)
    await wizz.advance()
    told = await _reason(wizz, campaign)
    assert told is not None
    assert told.startswith("on the list of MailWizz are still 1 who must not be written to: status 422")
    wizz.server.campaigns.kept = set()
    await wizz.advance()
    assert (list(wizz.server.campaigns.mails(wizz.uid)), await _reason(wizz, campaign)) == ([bea], None)


async def test_it_does_not_begin_before_all_have_left(wizz: Wizz) -> None:
    campaign = await wizz.started(2)
    ann, bea = await wizz.emails(campaign)
    wizz.server.fault_at = 4
    with pytest.raises(MailWizzUnavailableError):
        await wizz.advance()
    wizz.server.campaigns.kept = {ann}
    await _suppress(wizz, ann)
    with pytest.raises(MailWizzRefusedError, match="1 who must not be written to"):
        await wizz.advance()
    assert wizz.server.campaigns.sent == {}
    wizz.server.campaigns.kept = set()
    await wizz.advance()
    assert list(wizz.server.campaigns.mails(wizz.uid)) == [bea]
