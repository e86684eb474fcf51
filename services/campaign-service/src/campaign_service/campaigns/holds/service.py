"""When held recipients go, and when those who wait for their hour do."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from campaign_service.ab import service as ab
from campaign_service.campaigns.audience.repository import ANY_TIME, Places
from campaign_service.campaigns.holds import repository
from campaign_service.campaigns.timing import Timing
from shared.database import Tx

Campaign = dict[str, Any]
Moments = list[tuple[str, datetime | None]]
_RELEASED_AT_ONCE = 2000


async def timing_of(tx: Tx, campaign: Campaign) -> Timing | None:
    """The campaign's rules of time; None when it has none."""
    return Timing.of(campaign, await repository.tenant_zone(tx, campaign["tenant_id"]))


async def places(tx: Tx, campaign: Campaign, now: datetime) -> Places:
    """Zone and first moment of everybody, by what their contact says of the zone."""
    timing = await timing_of(tx, campaign)
    if timing is None:
        return ANY_TIME
    said = await repository.contact_zones(tx, campaign["tenant_id"])
    zones = [timing.zone_of(name) for name in said]
    return Places(tuple(said), tuple(zones), tuple(timing.first_moment(zone, now) for zone in zones))


async def moments(tx: Tx, campaign: Campaign, now: datetime) -> Moments:
    """When those who are let go now get their mail, by their zone."""
    timing = await timing_of(tx, campaign)
    if timing is None:
        return []
    return [(zone, timing.first_moment(zone, now)) for zone in campaign["send_zones"]]


async def keep_window(tx: Tx, campaign: Campaign, now: datetime) -> None:
    """Put off those whose window is closed now, whoever put them back into the queue."""
    timing = await timing_of(tx, campaign)
    if timing is None or timing.window is None:
        return
    until = {zone: timing.closed_until(zone, now) for zone in campaign["send_zones"]}
    closed = [(zone, opens) for zone, opens in until.items() if opens is not None]
    if closed:
        await repository.put_off(tx, campaign["tenant_id"], campaign["id"], closed)


async def let_go(tx: Tx, campaign: Campaign, now: datetime) -> bool:
    """Let a batch of those go who wait for nothing any more; True when there may be others.

    Where a pool has to give them codes first, they are let go with their code.
    """
    if campaign["code_pool"] is not None or campaign["status"] != "sending":
        return False
    test = await ab.test_of(tx, campaign)
    if test is None or test["winner"] is None:
        return False
    when = await moments(tx, campaign, now)
    released = await repository.release(
        tx, campaign["tenant_id"], campaign["id"], test["winner"], when, _RELEASED_AT_ONCE
    )
    return released == _RELEASED_AT_ONCE
