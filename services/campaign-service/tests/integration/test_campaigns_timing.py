"""Campaigns at each recipient's own hour and inside their send window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from campaign_service.campaigns.holds import worker as holds
from campaign_service.campaigns.scheduler import start_due
from campaign_service.consumers import CONSUMERS
from shared.events import new_event
from shared.events.consumer import Dispatcher
from shared.events.transports.base import Delivery
from shared.utils import uuid7

from .campaigns_kit import Kit

NOON = datetime(2031, 6, 16, 12, tzinfo=UTC)  # a Monday
PLACES = {"paris": "Europe/Paris", "york": "America/New_York", "tokyo": "Asia/Tokyo", "mars": "Mars/Base"}


@pytest.fixture
def kit(lone_kit: Kit) -> Kit:
    return lone_kit


async def people(kit: Kit) -> None:
    for name, zone in PLACES.items():
        await kit.execute(
            "INSERT INTO contact (tenant_id, id, email, time_zone) VALUES ($1, $2, $3, $4)",
            kit.tenant,
            uuid7(),
            f"{name}@example.com",
            zone,
        )


async def moments(kit: Kit, campaign: dict[str, Any]) -> dict[str, datetime | None]:
    rows = await kit.recipients(campaign["id"])
    return {row["email"].partition("@")[0]: row["next_attempt_at"] for row in rows}


def go_to(kit: Kit, moment: datetime) -> None:
    kit.clock.advance((moment - kit.clock.now()).total_seconds())


async def started_at(kit: Kit, moment: datetime, **fields: Any) -> dict[str, Any]:
    """Started now, as if now were `moment`: tokens do not last until then."""
    await people(kit)
    campaign = await kit.create(**fields)
    now = kit.clock.now()
    go_to(kit, moment)
    at = kit.clock.now()
    await kit.execute(
        "UPDATE campaign SET status = 'scheduled', scheduled_at = $3 WHERE tenant_id = $1 AND id = $2",
        kit.tenant,
        campaign["id"],
        at,
    )

    assert await start_due(kit.runtime)
    assert now < at
    return dict(campaign)


async def test_everybody_gets_the_mail_at_their_own_hour(kit: Kit) -> None:
    consumer = next(c for c in CONSUMERS if "auth.tenant.created.v1" in c.types)
    made, moved = [
        new_event(
            f"auth.tenant.{verb}.v1",
            {"tenant_id": kit.tenant, "name": "A", "slug": "a", "time_zone": zone},
            tenant_id=kit.tenant,
            source="/auth",
        )
        for verb, zone in (("created", "UTC"), ("updated", "Asia/Kolkata"))
    ]
    for event in (moved, made):  # as they may come
        await Dispatcher(consumer, kit.db, kit.runtime)(Delivery(event, 0))
    campaign = await started_at(kit, NOON, local_time="09:00")
    due = await moments(kit, campaign)
    assert due == {
        "paris": datetime(2031, 6, 17, 7, tzinfo=UTC),
        "york": datetime(2031, 6, 16, 13, tzinfo=UTC),
        "tokyo": datetime(2031, 6, 17, 0, tzinfo=UTC),
        "mars": datetime(2031, 6, 17, 3, 30, tzinfo=UTC),  # nobody knows: the tenant's
    }


async def test_the_campaigns_own_zone_goes_before_the_tenants(kit: Kit) -> None:
    campaign = await started_at(kit, NOON, local_time="09:00", time_zone="America/New_York")
    due = await moments(kit, campaign)
    assert due["mars"] == due["york"]


async def test_who_is_inside_the_window_goes_now_and_the_others_when_it_opens(kit: Kit) -> None:
    window = {"opens": "09:00", "closes": "18:00", "days": [1, 2, 3, 4, 5]}
    campaign = await started_at(kit, NOON, send_window=window, time_zone="Europe/Paris")
    due = await moments(kit, campaign)
    assert due == {
        "paris": None,
        "york": datetime(2031, 6, 16, 13, tzinfo=UTC),
        "tokyo": datetime(2031, 6, 17, 0, tzinfo=UTC),
        "mars": None,
    }


async def test_who_was_not_reached_before_the_window_closed_waits_for_the_next(kit: Kit) -> None:
    window = {"opens": "09:00", "closes": "18:00", "days": [1, 2, 3, 4, 5]}
    campaign = await started_at(kit, NOON, send_window=window, time_zone="Europe/Paris")
    friday_evening = datetime(2031, 6, 20, 18, 0, 1, tzinfo=ZoneInfo("Europe/Paris"))
    go_to(kit, friday_evening)
    await holds.once(kit.runtime)
    due = await moments(kit, campaign)
    assert due["paris"] == due["mars"] == datetime(2031, 6, 23, 7, tzinfo=UTC)
    assert due["york"] == datetime(2031, 6, 16, 13, tzinfo=UTC)  # open there: due since Monday
    assert due["tokyo"] == datetime(2031, 6, 23, 0, tzinfo=UTC)
    go_to(kit, datetime(2031, 6, 23, 7, tzinfo=UTC) + timedelta(minutes=1))
    await holds.once(kit.runtime)
    assert (await moments(kit, campaign))["paris"] == datetime(2031, 6, 23, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "fields",
    [
        {"local_time": "25:00"},
        {"time_zone": "Mars/Base"},
        {"send_window": {"opens": "18:00", "closes": "09:00"}},
        {"send_window": {"days": []}},
        {"local_time": "08:00", "send_window": {"opens": "09:00", "closes": "18:00"}},
    ],
)
async def test_rules_that_can_never_hold_are_refused(kit: Kit, fields: dict[str, Any]) -> None:
    template = await kit.add_template()
    body = {"name": "Spring", "template_id": str(template)} | fields
    answer = await kit.request("POST", "/api/v2/campaigns", json=body)
    assert answer.status_code in (400, 422), answer.text


async def test_a_change_of_one_rule_keeps_the_others_whole(kit: Kit) -> None:
    campaign = await kit.create(local_time="10:00", code_pool="spring")
    changed = await kit.ok("PUT", f"/{campaign['id']}", json={"send_window": {"opens": "09:00"}})
    assert changed["send_window"] == {"opens": "09:00", "closes": "24:00", "days": [*range(1, 8)]}
    assert (changed["local_time"], changed["code_pool"]) == ("10:00", "spring")
    late = await kit.campaigns("PUT", f"/{campaign['id']}", json={"local_time": "08:00"})
    assert late.status_code == 400
