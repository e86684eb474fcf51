"""Exports of recipients and events, as a client downloads them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from campaign_service.exports.service import PAGE
from campaign_service.messages.references import reference

from .campaigns_kit import FIREFOX, Kit
from .messages_kit import Messages
from .test_deliveries_webhooks import csv as rows_of
from .test_deliveries_webhooks import line


async def download(kit: Kit, path: str, **params: Any) -> list[dict[str, str]]:
    answer = await kit.request("GET", path, params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def events(kit: Kit, campaign_id: UUID, **params: Any) -> list[dict[str, str]]:
    return await download(kit, f"/api/v2/campaigns/{kit.tenant}/{campaign_id}/events.csv", **params)


async def everything(kit: Kit, **params: Any) -> list[dict[str, str]]:
    return await download(kit, f"/api/v2/stats/{kit.tenant}/events.csv", **params)


async def heard(kit: Kit) -> UUID:
    """A campaign to two people: delivered, opened by a person and by a proxy, clicked, bounced."""
    campaign_id = await kit.accepted(2)
    ann, bob = [row["contact_id"] for row in await kit.recipients(campaign_id)]
    await kit.webhook(
        "powermta",
        rows_of(
            line(kit, "d", 1, envId=kit.ref(campaign_id, ann)),
            line(kit, "b", 2, envId=kit.ref(campaign_id, bob), bounceCat="bad-mailbox", dsnDiag="=1+1"),
        ),
    )
    kit.clock.advance(600)
    token = kit.token(campaign_id, ann)
    for agent in (FIREFOX, "Mozilla/5.0 (via ggpht.com GoogleImageProxy)"):
        await kit.client.get(f"/t/o/{token}", headers={"User-Agent": agent})
    await kit.client.get(f"/t/c/{token}.1", headers={"User-Agent": FIREFOX})
    return campaign_id


async def test_recipients_of_many_pages_come_once_and_in_order(kit: Kit) -> None:
    campaign_id = await kit.accepted(2 * PAGE + 1)
    path = f"/api/v2/campaigns/{kit.tenant}/{campaign_id}/recipients.csv"
    found = [row["contact_id"] for row in await download(kit, path)]
    assert found == [str(row["contact_id"]) for row in await kit.recipients(campaign_id)]
    assert await download(kit, path, state="failed") == []


async def test_events_of_many_pages_come_once_and_in_order(kit: Kit) -> None:
    campaign_id = await kit.accepted(PAGE + 1)
    rows = await kit.recipients(campaign_id)
    await kit.webhook(
        "powermta", rows_of(*(line(kit, "d", envId=kit.ref(campaign_id, row["contact_id"])) for row in rows))
    )
    people = [str(row["contact_id"]) for row in rows]
    assert [row["contact_id"] for row in await events(kit, campaign_id)] == people
    whole = await everything(kit)
    assert sorted(row["contact_id"] for row in whole) == people
    assert len({row["id"] for row in whole}) == len(people)


async def test_events_say_whose_they_are_and_what_was_said(kit: Kit) -> None:
    campaign_id = await heard(kit)
    ann, bob = await kit.recipients(campaign_id)
    found = await events(kit, campaign_id)
    assert {row["campaign_id"] for row in found} == {str(campaign_id)}
    assert Counter((row["email"], row["type"]) for row in found) == {
        (ann["email"], "delivered"): 1,
        (ann["email"], "opened"): 2,
        (ann["email"], "clicked"): 1,
        (bob["email"], "bounced"): 1,
    }
    (click,) = [row for row in found if row["type"] == "clicked"]
    assert (click["verdict"], click["url"]) == ("human", "https://shop.example.com/two?a=1&b=2")
    (bounce,) = [row for row in found if row["type"] == "bounced"]
    assert (bounce["bounce_class"], bounce["diagnostic"]) == ("hard", "'=1+1")


async def test_filters_choose_by_type_time_and_who_it_was(kit: Kit) -> None:
    campaign_id = await heard(kit)
    await check_filters(kit, f"/api/v2/campaigns/{kit.tenant}/{campaign_id}/events.csv")
    await check_filters(kit, f"/api/v2/stats/{kit.tenant}/events.csv")


async def check_filters(kit: Kit, path: str) -> None:
    assert await types(kit, path, type="opened") == {"opened": 2}
    assert await types(kit, path, type=["opened", "clicked"]) == {"opened": 2, "clicked": 1}
    human = await types(kit, path, human_only=True)
    assert human == {"delivered": 1, "bounced": 1, "opened": 1, "clicked": 1}
    middle = (kit.clock.now() - timedelta(minutes=1)).isoformat()
    assert await types(kit, path, to=middle) == {"delivered": 1, "bounced": 1}
    assert await types(kit, path, **{"from": middle}) == {"opened": 2, "clicked": 1}
    # Times that no day of the calendar holds once they are told in UTC.
    ever = {"from": "0001-01-01T00:00:00+14:00", "to": "9999-12-31T23:59:59-14:00"}
    assert await types(kit, path, type="opened", **ever) == {"opened": 2}


async def types(kit: Kit, path: str, **params: Any) -> Counter[str]:
    return Counter(row["type"] for row in await download(kit, path, **params))


async def test_events_of_single_messages_are_among_all_events(kit: Kit) -> None:
    message = await Messages(kit.client, kit.tenant, kit.headers()).send()
    await kit.webhook("powermta", rows_of(line(kit, "d", envId=reference(UUID(message["id"])))))
    (row,) = await everything(kit)
    assert (row["message_id"], row["email"], row["type"]) == (message["id"], "anna@example.com", "delivered")


async def test_events_of_who_was_erased_stay_without_the_person(kit: Kit) -> None:
    campaign_id = await heard(kit)
    await kit.execute("UPDATE message_event SET contact_id = NULL WHERE tenant_id = $1", kit.tenant)
    found = await events(kit, campaign_id)
    assert len(found) == 5
    assert {row["email"] for row in found} == {""}


async def test_the_download_has_a_name(kit: Kit) -> None:
    campaign_id = await kit.accepted(1)
    answer = await kit.campaigns("GET", f"/{campaign_id}/events.csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="events-{campaign_id}.csv"'


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"type": "nothing"}, 422),
        ({"from": "yesterday"}, 422),
        ({"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, 400),
    ],
)
async def test_wrong_filters_are_refused(kit: Kit, params: dict[str, str], status: int) -> None:
    answer = await kit.request("GET", f"/api/v2/stats/{kit.tenant}/events.csv", params=params)
    assert answer.status_code == status
