"""Schedules work over all tenants, so these tests have a database to themselves."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from campaign_service.campaigns.scheduler import start_due

from .campaigns_kit import HTML, Kit


@pytest.fixture
def kit(lone_kit: Kit) -> Kit:
    return lone_kit


async def test_a_schedule_fires_once_when_it_is_due(kit: Kit) -> None:
    await kit.add_contacts(2)
    campaign = await kit.create()
    at = kit.clock.now() + timedelta(hours=1)
    scheduled = await kit.ok("POST", f"/{campaign['id']}/schedule", json={"scheduled_at": at.isoformat()})
    assert scheduled["status"] == "scheduled"
    assert not await start_due(kit.runtime)
    kit.clock.advance(3601)
    assert await start_due(kit.runtime)
    assert not await start_due(kit.runtime)
    assert (await kit.ok("GET", f"/{campaign['id']}"))["status"] == "sending"
    assert len(await kit.recipients(campaign["id"])) == 2


async def test_a_schedule_that_was_missed_by_too_much_goes_back_to_draft(kit: Kit) -> None:
    await kit.add_contacts(1)
    at = (kit.clock.now() + timedelta(hours=1)).isoformat()
    campaign = await kit.create(scheduled_at=at, max_lateness_seconds=600)
    await kit.ok("POST", f"/{campaign['id']}/schedule")
    kit.clock.advance(3600 + 601)
    assert await start_due(kit.runtime)
    stored = await kit.ok("GET", f"/{campaign['id']}")
    assert stored["status"] == "draft"
    assert "missed" in stored["status_reason"]
    assert await kit.recipients(campaign["id"]) == []


async def test_a_schedule_that_cannot_start_says_why(kit: Kit) -> None:
    at = (kit.clock.now() + timedelta(hours=1)).isoformat()
    campaign = await kit.create(scheduled_at=at)
    await kit.ok("POST", f"/{campaign['id']}/schedule")
    kit.clock.advance(3700)
    assert await start_due(kit.runtime)
    stored = await kit.ok("GET", f"/{campaign['id']}")
    assert (stored["status"], stored["status_reason"]) == (
        "draft",
        "could not start: Nobody would get this mail",
    )
    assert not await start_due(kit.runtime)


async def test_a_campaign_that_cannot_start_does_not_hold_up_the_next(kit: Kit) -> None:
    await kit.add_contacts(1)
    first = (kit.clock.now() + timedelta(minutes=1)).isoformat()
    second = (kit.clock.now() + timedelta(minutes=2)).isoformat()
    broken = await kit.create(scheduled_at=first)
    sound = await kit.create(scheduled_at=second)
    for campaign in (broken, sound):
        await kit.ok("POST", f"/{campaign['id']}/schedule")
    await kit.execute(
        "UPDATE template_content SET html = '{{ broken' WHERE tenant_id = $1 AND template_id = $2",
        kit.tenant,
        UUID(broken["template_id"]),
    )
    kit.clock.advance(180)
    while await start_due(kit.runtime):
        pass
    stored = await kit.ok("GET", f"/{broken['id']}")
    assert (stored["status"], stored["status_reason"].startswith("could not start")) == ("draft", True)
    assert (await kit.ok("GET", f"/{sound['id']}"))["status"] == "sending"


async def test_mistakes_keep_a_schedule_back_like_a_send(kit: Kit) -> None:
    await kit.add_contacts(1)
    at = (kit.clock.now() + timedelta(hours=1)).isoformat()
    good, bad = await kit.add_template(["en"]), await kit.add_template(["en"], HTML + "<a href=''>soon</a>")
    campaign = await kit.create(scheduled_at=at, template_id=str(bad))
    refused = await kit.campaigns("POST", f"/{campaign['id']}/schedule")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "PREFLIGHT_FAILED")
    forced = await kit.create(scheduled_at=at, template_id=str(bad))
    path = f"/{forced['id']}/schedule?force=true"
    assert (await kit.campaigns("POST", path, headers=kit.headers("operator"))).status_code == 403
    await kit.ok("POST", path, headers=kit.headers("admin"))
    later = await kit.create(scheduled_at=at, template_id=str(good))
    await kit.ok("POST", f"/{later['id']}/schedule")
    await kit.ok("PUT", f"/{later['id']}", json={"template_id": str(bad)})
    kit.clock.advance(3700)
    while await start_due(kit.runtime):
        pass
    assert (await kit.ok("GET", f"/{forced['id']}"))["status"] == "sending"
    stored = await kit.ok("GET", f"/{later['id']}")
    assert (stored["status"], stored["status_reason"]) == (
        "draft",
        "could not start: Links lead nowhere yet: (empty)",
    )
