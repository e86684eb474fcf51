"""Rates of campaigns: kept over all processes and restarts, per tenant, domain, pool and mailbox provider."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.utils import uuid7
from tests.simulators.processes import smtp_sink

from .campaigns_kit import Kit
from .test_channels import configure, free_port, smtp
from .test_sending_worker import sending, status, until


async def put(kit: Kit, what: str, body: dict[str, Any], expected: int = 200) -> Any:
    answer = await kit.request("PUT", f"/api/v2/sending/{kit.tenant}/{what}", json=body)
    assert answer.status_code == expected, answer.text
    return answer.json().get("data")


async def count(kit: Kit, campaign: UUID) -> Counter[str]:
    return Counter(row["state"] for row in await kit.recipients(campaign))


async def has_sent(kit: Kit, campaign: UUID, number: int) -> bool:
    counted = await count(kit, campaign)
    return counted["accepted"] == number and not counted["leased"] and not counted["attempting"]


async def is_sent(kit: Kit, campaign: UUID) -> bool:
    return await status(kit, campaign) == "sent"


async def test_rates_and_pools_are_stored_and_shown_with_what_is_left(kit: Kit) -> None:
    rate = {"per_minute": 60, "burst": 5}
    stored = await put(kit, "limits", {"tenant": rate, "domains": {"news.example.com": rate}})
    shown = rate | {"available": 5}
    assert stored == {"tenant": shown, "domains": {"news.example.com": shown}, "mailbox_providers": {}}
    pools = await put(kit, "ip-pools", {"pools": [{"name": "p1", "addresses": ["192.0.2.1", "2001:db8::1"]}]})
    (pool,) = pools["pools"]
    assert (pool["addresses"], pool["per_minute"]) == (["192.0.2.1", "2001:db8::1"], None)
    assert await put(kit, "limits", {}) == {"tenant": None, "domains": {}, "mailbox_providers": {}}
    answer = await kit.request("GET", f"/api/v2/sending/{kit.tenant}/ip-pools")
    assert answer.json()["data"] == pools


@pytest.mark.parametrize("body", [{"tenant": {"per_minute": 0}}, {"mailbox_providers": {"unknown": {}}}])
async def test_rates_that_make_no_sense_are_refused(kit: Kit, body: dict[str, Any]) -> None:
    await put(kit, "limits", body, expected=422)
    pool = {"name": "p", "addresses": ["not an address"]}
    await put(kit, "ip-pools", {"pools": [pool]}, expected=422)


async def test_a_tenants_rate_is_kept_over_restarts(lone_kit: Kit, tmp_path: Path) -> None:
    await put(lone_kit, "limits", {"tenant": {"per_minute": 60, "burst": 5}})
    with smtp_sink(tmp_path) as sink:
        campaign = await lone_kit.started(12)
        async with sending(lone_kit, sink.port):
            await until(lambda: has_sent(lone_kit, campaign, 5))
        lone_kit.clock.advance(3)
        async with sending(lone_kit, sink.port):
            await until(lambda: has_sent(lone_kit, campaign, 8))
            await until(lambda: a_second_later(lone_kit, campaign))
        assert len(sink.messages()) == 12


async def a_second_later(kit: Kit, campaign: UUID) -> bool:
    """Whether the campaign has been sent, one more second on."""
    kit.clock.advance(1)
    return await is_sent(kit, campaign)


async def test_a_mailbox_providers_rate_holds_back_no_other(lone_kit: Kit, tmp_path: Path) -> None:
    await put(lone_kit, "limits", {"mailbox_providers": {"gmail": {"per_minute": 1, "burst": 2}}})
    for email in (*(f"g{n}@gmail.com" for n in range(4)), *(f"o{n}@example.com" for n in range(6))):
        await lone_kit.execute(
            "INSERT INTO contact (tenant_id, id, email) VALUES ($1, $2, $3)", lone_kit.tenant, uuid7(), email
        )
    created = await lone_kit.create()
    campaign = UUID(created["id"])
    await lone_kit.ok("POST", f"/{campaign}/send")
    with smtp_sink(tmp_path) as sink:
        async with sending(lone_kit, sink.port):
            await until(lambda: has_sent(lone_kit, campaign, 8))
            late = [row for row in await lone_kit.recipients(campaign) if row["state"] == "queued"]
            assert [row["email"].partition("@")[2] for row in late] == ["gmail.com"] * 2
            assert all(row["next_attempt_at"] > lone_kit.clock.now() for row in late)
            lone_kit.clock.advance(180)
            await until(lambda: is_sent(lone_kit, campaign))


async def test_a_pools_rate_is_for_mails_that_leave_by_it(lone_kit: Kit, tmp_path: Path) -> None:
    pool = {"name": "p1", "per_minute": 1, "burst": 3}
    await put(lone_kit, "ip-pools", {"pools": [pool, pool | {"name": "p2", "burst": 1}]})
    with smtp_sink(tmp_path) as sink:
        await configure(lone_kit, smtp("own", sink.port, virtual_mta="p1"))
        campaign = await lone_kit.started(5)
        async with sending(lone_kit, free_port()):
            await until(lambda: has_sent(lone_kit, campaign, 3))
            lone_kit.clock.advance(130)
            await until(lambda: is_sent(lone_kit, campaign))
