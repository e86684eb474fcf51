"""What MailWizz tells when it is asked: each record once, in any order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from campaign_service.mailwizz.client import MailWizzClient, MailWizzRefusedError, MailWizzUnavailableError
from campaign_service.mailwizz.polling import PAGE, Source, poll_campaign, poll_stream
from tests.simulators.mailwizz import KEY, MailWizz, bounce, delivery, person, running

from .campaigns_kit import Kit

UID = "gz674trpn64da"
LOCAL = ["127.0.0.1"]


@pytest.fixture
async def wizz() -> AsyncIterator[MailWizz]:
    async with running(MailWizz()) as simulator:
        yield simulator


@pytest.fixture
async def client(wizz: MailWizz) -> AsyncIterator[MailWizzClient]:
    async with MailWizzClient(wizz.url, KEY, LOCAL) as client:
        yield client


async def campaign_of(kit: Kit, contacts: int = 4) -> tuple[Source, list[str]]:
    """A campaign that MailWizz has sent, and its recipients' addresses."""
    campaign_id = await kit.accepted(contacts, external_ref=UID)
    emails = [row["email"].lower() for row in await kit.recipients(campaign_id)]
    return Source(kit.tenant, campaign_id, UID), emails


async def states(kit: Kit, campaign_id: UUID) -> dict[str, str]:
    return {row["email"].lower(): row["state"] for row in await kit.recipients(campaign_id)}


async def test_records_become_states_figures_and_suppressions_once(
    kit: Kit, wizz: MailWizz, client: MailWizzClient
) -> None:
    source, (ann, bea, cat, dan) = await campaign_of(kit)
    wizz.add(UID, "delivery-logs", *(delivery(email) for email in (ann, bea, dan)))
    wizz.add(UID, "delivery-logs", delivery(cat, confirmed=False))
    wizz.add(UID, "bounces", bounce(bea))
    wizz.add(UID, "complaints", {"message": "abuse", "subscriber": person(dan)})
    wizz.add(
        UID, "unsubscribes", {"subscriber": person(cat), "reason": "", "date_added": "2026-01-05 07:24:31"}
    )
    assert await poll_campaign(kit.runtime, client, source) == 7
    expected = {ann: "delivered", bea: "bounced_hard", cat: "accepted", dan: "complained"}
    assert await states(kit, source.campaign_id) == expected
    counted = await kit.counts(source.campaign_id)
    assert await poll_campaign(kit.runtime, client, source) == 0
    assert await kit.counts(source.campaign_id) == counted
    assert counted == {"sent": 4, "delivered": 2, "bounced_hard": 1, "complained": 1, "unsubscribed": 1}
    suppressed = await kit.fetch(
        "SELECT address_lower, reason FROM suppression WHERE tenant_id = $1", kit.tenant
    )
    assert {(row["address_lower"], row["reason"]) for row in suppressed} == {
        (bea, "hard_bounce"),
        (cat, "unsubscribed"),
        (dan, "complaint"),
    }


async def test_only_what_is_new_is_asked_for_the_next_time(
    kit: Kit, wizz: MailWizz, client: MailWizzClient
) -> None:
    source, emails = await campaign_of(kit, 3 * PAGE + 5)
    wizz.add(UID, "delivery-logs", *(delivery(email) for email in emails[: 3 * PAGE]))
    assert await poll_stream(kit.runtime, client, source, "delivery-logs") == 3 * PAGE
    wizz.add(UID, "delivery-logs", *(delivery(email) for email in emails[3 * PAGE :]))
    wizz.requests.clear()
    assert await poll_stream(kit.runtime, client, source, "delivery-logs") == 5
    pages = [request.partition("page=")[2].partition("&")[0] for request in wizz.requests]
    assert pages == ["3", "4"]
    assert set((await states(kit, source.campaign_id)).values()) == {"delivered"}


async def test_records_that_move_up_because_one_was_deleted_are_not_missed(
    kit: Kit, wizz: MailWizz, client: MailWizzClient
) -> None:
    source, emails = await campaign_of(kit, PAGE + 20)
    wizz.add(UID, "bounces", *(bounce(email, "soft") for email in emails[: PAGE + 10]))
    await poll_stream(kit.runtime, client, source, "bounces")
    del wizz.lists[UID, "bounces"][:10]
    wizz.add(UID, "bounces", *(bounce(email, "soft") for email in emails[PAGE + 10 :]))
    assert await poll_stream(kit.runtime, client, source, "bounces") == 10
    assert set((await states(kit, source.campaign_id)).values()) == {"bounced_soft"}


async def test_a_delivery_log_that_changed_in_place_is_seen_within_a_day(
    kit: Kit, wizz: MailWizz, client: MailWizzClient
) -> None:
    source, emails = await campaign_of(kit, 2 * PAGE + 1)
    wizz.add(UID, "delivery-logs", *(delivery(email, "temporary-error") for email in emails))
    await poll_stream(kit.runtime, client, source, "delivery-logs")
    wizz.lists[UID, "delivery-logs"][0] = delivery(emails[0])
    assert await poll_stream(kit.runtime, client, source, "delivery-logs") == 0
    kit.clock.advance(24 * 3600.0)
    assert await poll_stream(kit.runtime, client, source, "delivery-logs") == 1
    assert (await states(kit, source.campaign_id))[emails[0]] == "delivered"


async def test_a_bounce_that_is_read_before_its_delivery_stays_a_bounce(
    kit: Kit, wizz: MailWizz, client: MailWizzClient
) -> None:
    source, (ann,) = await campaign_of(kit, 1)
    wizz.add(UID, "bounces", bounce(ann))
    await poll_stream(kit.runtime, client, source, "bounces")
    wizz.add(UID, "delivery-logs", delivery(ann))
    await poll_stream(kit.runtime, client, source, "delivery-logs")
    assert await states(kit, source.campaign_id) == {ann: "bounced_hard"}


async def test_a_page_that_fails_loses_nothing(kit: Kit, wizz: MailWizz, client: MailWizzClient) -> None:
    source, emails = await campaign_of(kit, PAGE + 1)
    wizz.add(UID, "delivery-logs", *(delivery(email) for email in emails))
    wizz.faults = [503]
    with pytest.raises(MailWizzUnavailableError):
        await poll_stream(kit.runtime, client, source, "delivery-logs")
    assert await poll_stream(kit.runtime, client, source, "delivery-logs") == PAGE + 1


async def test_a_wrong_key_and_an_unknown_campaign_are_told_apart_from_trouble(wizz: MailWizz) -> None:
    async with MailWizzClient(wizz.url, "wrong", LOCAL) as client:
        with pytest.raises(MailWizzRefusedError, match="401"):
            await client.page(UID, "bounces", 1, 10)
    async with MailWizzClient(wizz.url, KEY, LOCAL) as client:
        with pytest.raises(MailWizzRefusedError, match="404"):
            await client.page("unknown", "bounces", 1, 10)
    # A name of our own network is not gone to.
    own = wizz.url.replace("127.0.0.1", "localhost")
    async with MailWizzClient(own, KEY, ()) as client:
        with pytest.raises(MailWizzUnavailableError):
            await client.page(UID, "bounces", 1, 10)


async def test_other_peoples_addresses_are_kept_to_be_looked_at(
    kit: Kit, wizz: MailWizz, client: MailWizzClient
) -> None:
    source, _ = await campaign_of(kit, 1)
    wizz.add(UID, "bounces", bounce("stranger@example.org"), {"message": "?", "bounce_type": "hard"})
    wizz.add(UID, "unsubscribes", {"subscriber": person("stranger@example.org")})
    await poll_campaign(kit.runtime, client, source)
    issues: list[dict[str, Any]] = await kit.fetch(
        "SELECT address, reason FROM delivery_issue WHERE tenant_id = $1", kit.tenant
    )
    assert [(row["address"], row["reason"]) for row in issues] == [("stranger@example.org", "no_such_mail")]
