"""Pixel, links and unsubscribe, as mail programs, people and scanners ask for them."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from campaign_service.contacts.duplicates import repository as duplicates
from shared.utils import uuid7

from .campaigns_kit import FIREFOX, Kit

BROWSER = {"User-Agent": FIREFOX, "X-Forwarded-For": "203.0.113.9"}


async def mailed(kit: Kit, contacts: int = 1) -> tuple[UUID, list[str]]:
    """A campaign accepted a while ago, and the tokens of its recipients."""
    campaign_id = await kit.accepted(contacts)
    kit.clock.advance(60)
    return campaign_id, [
        kit.token(campaign_id, row["contact_id"]) for row in await kit.recipients(campaign_id)
    ]


async def test_an_open_is_counted_once_per_person_and_kept_each_time(kit: Kit) -> None:
    campaign_id, (token,) = await mailed(kit)
    for _ in range(2):
        answer = await kit.client.get(f"/t/o/{token}", headers=BROWSER)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
        assert "no-store" in answer.headers["cache-control"]
        assert answer.content.startswith(b"GIF89a")
        kit.clock.advance(5)
    counts = await kit.counts(campaign_id)
    assert (counts["opens_human"], counts["unique_opens"]) == (2, 1)
    assert (await kit.recipients(campaign_id))[0]["first_opened_at"] is not None
    (event, _) = await kit.published("campaign.message.opened.v1")
    assert event["data"]["campaign_id"] == str(campaign_id)


async def test_asking_for_the_pixels_headers_is_no_open(kit: Kit) -> None:
    campaign_id, (token,) = await mailed(kit)
    answer = await kit.client.head(f"/t/o/{token}", headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert not any(n for name, n in (await kit.counts(campaign_id)).items() if "open" in name)


async def test_machine_opens_stand_beside(kit: Kit) -> None:
    campaign_id, (token,) = await mailed(kit)
    for agent in ("Mozilla/5.0 (via ggpht.com GoogleImageProxy)", "Mozilla/5.0", "Googlebot/2.1", "Odd/1"):
        await kit.client.get(f"/t/o/{token}", headers={"User-Agent": agent})
    counts = await kit.counts(campaign_id)
    assert {name: n for name, n in counts.items() if "open" in name} == {
        "opens_proxy": 2,
        "opens_scanner": 1,
        "opens_unknown": 1,
    }
    assert await kit.published("campaign.message.opened.v1") == []


async def test_a_click_goes_to_the_stored_link_and_nowhere_else(kit: Kit) -> None:
    campaign_id, (token,) = await mailed(kit)
    answer = await kit.client.get(f"/t/c/{token}.1?url=https://evil.example.com", headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (302, "https://shop.example.com/two?a=1&b=2")
    links = await kit.ok("GET", f"/{campaign_id}/links")
    assert [(link["clicks_human"], link["unique_clicks"]) for link in links] == [(0, 0), (1, 1), (0, 0)]
    (event,) = await kit.published("campaign.message.clicked.v1")
    assert event["data"]["url"] == "https://shop.example.com/two?a=1&b=2"


@pytest.mark.parametrize("suffix", [".99", ".", ".-1", ".x", "", ".1.2", ".¹", ".99999999999999999999"])
async def test_bad_links_get_the_same_plain_page(kit: Kit, suffix: str) -> None:
    _, (token,) = await mailed(kit)
    answer = await kit.client.get(f"/t/c/{token}{suffix}", headers=BROWSER)
    assert answer.status_code == 404
    assert "It may have been cut off" in answer.text
    assert "location" not in answer.headers


@pytest.mark.parametrize("change", ["flip", "cut", "other", "junk"])
async def test_forged_tokens_do_nothing(kit: Kit, change: str) -> None:
    campaign_id, (token,) = await mailed(kit)
    row = (await kit.recipients(campaign_id))[0]
    forged = {
        "flip": ("A" if token[0] != "A" else "B") + token[1:],
        "cut": token[:-2],
        "other": kit.token(uuid7(), row["contact_id"]),
        "junk": "%F0%9F%92%A9",
    }[change]
    assert (await kit.client.get(f"/t/o/{forged}", headers=BROWSER)).status_code == 200
    assert (await kit.client.get(f"/t/c/{forged}.0", headers=BROWSER)).status_code == 404
    before = await kit.counts(campaign_id)
    if change != "other":
        assert (await kit.client.get(f"/t/u/{forged}")).status_code == 404
        assert (await kit.client.post(f"/t/u/{forged}")).status_code == 404
    assert await kit.counts(campaign_id) == before == {"sent": 1}


async def test_scanners_are_kept_apart_and_found_out_late(kit: Kit) -> None:
    campaign_id, (token,) = await mailed(kit)
    for index in range(3):
        await kit.client.get(f"/t/c/{token}.{index}", headers=BROWSER)
        kit.clock.advance(0.5)
    counts = await kit.counts(campaign_id)
    assert counts == {"sent": 1, "clicks_scanner": 3}
    assert (await kit.recipients(campaign_id))[0]["first_clicked_at"] is None
    links = await kit.ok("GET", f"/{campaign_id}/links")
    assert [(link["clicks_human"], link["clicks_scanner"]) for link in links] == [(0, 1)] * 3
    kit.clock.advance(60)
    await kit.client.get(f"/t/c/{token}.0", headers=BROWSER)
    counts = await kit.counts(campaign_id)
    assert (counts["clicks_human"], counts["unique_clicks"]) == (1, 1)


async def test_a_head_request_is_a_scanners(kit: Kit) -> None:
    campaign_id, (token,) = await mailed(kit)
    answer = await kit.client.head(f"/t/c/{token}.0", headers=BROWSER)
    assert answer.status_code == 302
    assert (await kit.counts(campaign_id))["clicks_scanner"] == 1


async def test_clicks_at_delivery_are_a_scanners(kit: Kit) -> None:
    campaign_id = await kit.accepted(1)
    token = kit.token(campaign_id, (await kit.recipients(campaign_id))[0]["contact_id"])
    kit.clock.advance(1)
    await kit.client.get(f"/t/c/{token}.0", headers=BROWSER)
    assert (await kit.counts(campaign_id))["clicks_scanner"] == 1


async def test_many_hits_at_once_are_all_counted(kit: Kit) -> None:
    campaign_id, tokens = await mailed(kit, 20)
    paths = [f"/t/o/{token}" for token in tokens] * 3 + [f"/t/c/{token}.0" for token in tokens]
    answers = await asyncio.gather(*(kit.client.get(path, headers=BROWSER) for path in paths))
    assert {answer.status_code for answer in answers} == {200, 302}
    counts = await kit.counts(campaign_id)
    assert (counts["opens_human"], counts["unique_opens"]) == (60, 20)
    assert (counts["clicks_human"], counts["unique_clicks"]) == (20, 20)


async def test_no_address_is_stored(kit: Kit) -> None:
    campaign_id, (token,) = await mailed(kit)
    await kit.client.get(f"/t/o/{token}", headers=BROWSER)
    (event,) = await kit.fetch("SELECT detail FROM message_event WHERE tenant_id = $1", kit.tenant)
    assert "203.0.113.9" not in str(event["detail"])
    assert event["detail"]["user_agent"] == FIREFOX
    first = event["detail"]["visitor"]
    kit.clock.advance(24 * 3600)
    await kit.client.get(f"/t/o/{token}", headers=BROWSER)
    visitors = await kit.fetch(
        "SELECT detail->>'visitor' AS v FROM message_event WHERE tenant_id = $1", kit.tenant
    )
    assert len({row["v"] for row in visitors}) == 2
    assert first in {row["v"] for row in visitors}
    assert campaign_id


async def test_opening_the_unsubscribe_page_changes_nothing(kit: Kit) -> None:
    campaign_id, (token,) = await mailed(kit)
    page = await kit.client.get(f"/t/u/{token}", headers={"Accept-Language": "fr-FR,fr;q=0.9"})
    assert page.status_code == 200
    assert "<form" in page.text
    assert "Se désabonner" in page.text
    assert (await kit.client.head(f"/t/u/{token}")).status_code == 200
    assert "unsubscribed" not in await kit.counts(campaign_id)
    assert await kit.fetch("SELECT 1 FROM suppression WHERE tenant_id = $1", kit.tenant) == []


@pytest.mark.parametrize(
    ("body", "via"),
    [
        (b"List-Unsubscribe=One-Click", "one_click"),
        (b"", "one_click"),
        (b"\xff\x00 anything", "one_click"),
        (b"via=page", "page"),
    ],
)
async def test_one_click_unsubscribes_once(kit: Kit, body: bytes, via: str) -> None:
    campaign_id, (token,) = await mailed(kit)
    for _ in range(2):
        answer = await kit.client.post(f"/t/u/{token}", content=body)
        assert answer.status_code == 200
        kit.clock.advance(1)
    counts = await kit.counts(campaign_id)
    assert counts == {"sent": 1, "unsubscribed": 1}
    (row,) = await kit.recipients(campaign_id)
    assert row["unsubscribed_at"] is not None
    (suppression,) = await kit.fetch("SELECT * FROM suppression WHERE tenant_id = $1", kit.tenant)
    assert (suppression["reason"], suppression["scope"], suppression["source"]) == (
        "unsubscribed",
        "marketing",
        via,
    )
    (contact,) = await kit.fetch("SELECT status FROM contact WHERE tenant_id = $1", kit.tenant)
    assert contact["status"] == "unsubscribed"
    (event,) = await kit.published("campaign.message.unsubscribed.v1")
    assert event["data"]["via"] == via
    assert "You are unsubscribed" in (await kit.client.get(f"/t/u/{token}")).text


async def test_unsubscribing_takes_the_person_out_of_other_running_campaigns(kit: Kit) -> None:
    campaign_id, (token,) = await mailed(kit)
    other = await kit.create()
    await kit.ok("POST", f"/{other['id']}/send")
    await kit.client.post(f"/t/u/{token}")
    (row,) = await kit.recipients(other["id"])
    assert (row["state"], row["skip_reason"]) == ("skipped", "unsubscribed")
    assert await kit.counts(other["id"]) == {"skipped": 1}
    assert campaign_id


async def test_a_person_can_unsubscribe_when_the_campaign_is_gone(kit: Kit) -> None:
    (contact,) = await kit.add_contacts(1)
    token = kit.token(uuid7(), contact)
    assert (await kit.client.post(f"/t/u/{token}")).status_code == 200
    assert len(await kit.fetch("SELECT 1 FROM suppression WHERE tenant_id = $1", kit.tenant)) == 1
    await kit.execute("DELETE FROM contact WHERE tenant_id = $1", kit.tenant)
    assert (await kit.client.post(f"/t/u/{token}")).status_code == 404


async def merged(kit: Kit, gone: UUID, kept: UUID) -> None:
    """The one contact becomes part of the other, as deduplication does it."""
    async with kit.db.tenant_tx(kit.tenant) as tx:
        assert await duplicates.merge(tx, kit.tenant, [(gone, kept)]) == 1


async def test_who_unsubscribes_by_a_merged_address_gets_no_mail_at_the_other_either(kit: Kit) -> None:
    (kept,) = await kit.add_contacts(1, prefix="kept")
    campaign_id, tokens = await mailed(kit)
    gone = next(r["contact_id"] for r in await kit.recipients(campaign_id) if r["contact_id"] != kept)
    await merged(kit, gone, kept)
    other = await kit.create()
    await kit.ok("POST", f"/{other['id']}/send")
    assert (await kit.client.post(f"/t/u/{kit.token(campaign_id, gone)}")).status_code == 200
    held = await kit.fetch("SELECT reason FROM suppression WHERE tenant_id = $1", kit.tenant)
    assert [row["reason"] for row in held] == ["unsubscribed"] * 2
    (contact,) = await kit.fetch("SELECT id, status FROM contact WHERE tenant_id = $1", kit.tenant)
    assert (contact["id"], contact["status"]) == (kept, "unsubscribed")
    (row,) = await kit.recipients(other["id"])
    assert (row["state"], row["skip_reason"]) == ("skipped", "unsubscribed")
    assert len(tokens) == 2


async def test_who_unsubscribes_again_after_being_freed_is_held_again_and_counted_once(kit: Kit) -> None:
    campaign_id, (token,) = await mailed(kit)
    for _ in range(2):
        await kit.client.post(f"/t/u/{token}")
        held = await kit.fetch("SELECT 1 FROM suppression WHERE tenant_id = $1", kit.tenant)
        assert len(held) == 1
        await kit.execute("DELETE FROM suppression WHERE tenant_id = $1", kit.tenant)
    assert (await kit.counts(campaign_id))["unsubscribed"] == 1
