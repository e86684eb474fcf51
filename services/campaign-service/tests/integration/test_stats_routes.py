"""The five endpoints of figures, after things whose figures are known."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from .campaigns_kit import FIREFOX, Kit


async def a_known_campaign(kit: Kit) -> UUID:
    """Ten mails: seven delivered, one hard and one soft bounce, one silent; two openers, one clicker, one of
    them complains, another unsubscribes; and a scanner."""
    campaign_id = await kit.accepted(10)
    people = [row["contact_id"] for row in await kit.recipients(campaign_id)]
    refs = [kit.ref(campaign_id, contact) for contact in people]
    moment = int(kit.clock.now().timestamp())
    lines = ["type,timeLogged,envId,bounceCat,dsnStatus"]
    lines += [f"d,{moment},{ref},," for ref in refs[:7]]
    lines += [f"b,{moment},{refs[7]},bad-mailbox,5.1.1", f"b,{moment},{refs[8]},quota-issues,4.2.2"]
    lines += [f"f,{moment},{refs[0]},,"]
    await kit.webhook("powermta", "\n".join(lines))
    kit.clock.advance(60)
    tokens = [kit.token(campaign_id, contact) for contact in people]
    browser = {"User-Agent": FIREFOX}
    for token in (tokens[0], tokens[1], tokens[0]):
        await kit.client.get(f"/t/o/{token}", headers=browser)
    await kit.client.get(f"/t/c/{tokens[1]}.0", headers=browser)
    await kit.client.get(f"/t/o/{tokens[2]}", headers={"User-Agent": "Mozilla/5.0"})
    await kit.client.get(f"/t/c/{tokens[3]}.0", headers={"User-Agent": "curl/8"})
    await kit.client.post(f"/t/u/{tokens[4]}")
    return campaign_id


async def test_campaign_figures_come_with_their_parts(kit: Kit) -> None:
    campaign_id = await a_known_campaign(kit)
    stats = await kit.stats("campaigns")
    assert (stats["total"], stats["by_status"]) == (1, {"sending": 1})
    (one,) = stats["campaigns"]
    assert one["campaign_id"] == str(campaign_id)
    assert one["counts"] == stats["counts"]
    assert one["rates"] == {
        "delivery": {"numerator": 7, "denominator": 10, "rate": 70.0},
        "open": {"numerator": 2, "denominator": 7, "rate": 28.57},
        "click": {"numerator": 1, "denominator": 7, "rate": 14.29},
        "bounce": {"numerator": 2, "denominator": 10, "rate": 20.0},
        "hard_bounce": {"numerator": 1, "denominator": 10, "rate": 10.0},
        "complaint": {"numerator": 1, "denominator": 7, "rate": 14.29},
        "unsubscribe": {"numerator": 1, "denominator": 7, "rate": 14.29},
    }
    shown = {name: number for name, number in one["counts"].items() if number}
    assert shown == {
        "sent": 10,
        "delivered": 7,
        "bounced_hard": 1,
        "bounced_soft": 1,
        "complained": 1,
        "unsubscribed": 1,
        "opens_human": 3,
        "opens_proxy": 1,
        "unique_opens": 2,
        "clicks_human": 1,
        "clicks_scanner": 1,
        "unique_clicks": 1,
    }


async def test_contacts_are_counted_each_way(kit: Kit) -> None:
    await kit.add_contacts(3, language="fr")
    await kit.add_contacts(2, status="pending", prefix="d")
    assert await kit.stats("contacts") == {
        "total": 5,
        "by_status": {"valid": 3, "pending": 2},
        "by_validation": {"unknown": 5},
        "by_language": {"fr": 3, "en": 2},
    }


async def test_events_show_bounces_complaints_and_machines(kit: Kit) -> None:
    await a_known_campaign(kit)
    events = await kit.stats("events")
    assert events["bounce_rate"] == {"numerator": 2, "denominator": 10, "rate": 20.0}
    assert events["complaint_rate"] == {"numerator": 1, "denominator": 7, "rate": 14.29}
    assert events["opens"] == {"human": 3, "proxy": 1, "scanner": 0, "unknown": 0}
    assert events["clicks"] == {"human": 1, "scanner": 1, "unknown": 0}
    assert (events["bounced"], events["bounced_hard"], events["not_applied"]) == (2, 1, [])


async def test_the_overview_agrees_with_the_others(kit: Kit) -> None:
    await a_known_campaign(kit)
    await kit.add_tags("a", "b")
    overview = await kit.stats("overview")
    assert overview["contacts"] == await kit.stats("contacts")
    assert overview["events"] == await kit.stats("events")
    assert overview["campaigns"]["rates"] == (await kit.stats("campaigns"))["rates"]
    assert (overview["tags"], overview["templates"], overview["suppressions"]) == (2, 1, 3)


async def test_performance_has_every_day(kit: Kit) -> None:
    start = kit.clock.now().date()
    await kit.accepted(3)
    kit.clock.advance(2 * 24 * 3600)
    await kit.accepted(3)
    performance = await kit.stats("performance?days=3")
    assert [day["date"] for day in performance["per_day"]] == [
        (start + timedelta(days=n)).isoformat() for n in range(3)
    ]
    assert [day["counts"]["sent"] for day in performance["per_day"]] == [3, 0, 6]
    assert performance["counts"]["sent"] == 9
    assert (await kit.stats("performance"))["days"] == 7
    assert len((await kit.stats("performance?days=30"))["per_day"]) == 30


@pytest.mark.parametrize("days", ["0", "367", "x", "-1"])
async def test_days_are_checked(kit: Kit, days: str) -> None:
    answer = await kit.request("GET", f"/api/v2/stats/{kit.tenant}/performance?days={days}")
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "days")


async def test_campaign_figures_are_paged(kit: Kit) -> None:
    for _ in range(3):
        await kit.started(1)
        kit.clock.advance(1)
    first = (await kit.request("GET", f"/api/v2/stats/{kit.tenant}/campaigns?limit=2")).json()
    cursor = first["meta"]["next_cursor"]
    second = (
        await kit.request(
            "GET", f"/api/v2/stats/{kit.tenant}/campaigns", params={"limit": 2, "cursor": cursor}
        )
    ).json()
    ids = [row["campaign_id"] for row in first["data"]["campaigns"] + second["data"]["campaigns"]]
    assert len(set(ids)) == 3
    assert second["meta"]["has_more"] is False
