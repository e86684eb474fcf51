"""Warm-up plans over HTTP and in the sender: caps, days, stops."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from campaign_service.warmup import service
from shared.utils import uuid7
from tests.simulators.processes import smtp_sink

from .campaigns_kit import Kit
from .test_sending_worker import sending, status, until

DAY = 24 * 3600.0


async def put(kit: Kit, *plans: dict[str, Any], expected: int = 200) -> Any:
    path = f"/api/v2/sending/{kit.tenant}/warmup"
    answer = await kit.request("PUT", path, json={"plans": list(plans)})
    assert answer.status_code == expected, answer.text
    return answer.json().get("data", {}).get("plans")


async def plan_of(kit: Kit) -> dict[str, Any]:
    answer = await kit.request("GET", f"/api/v2/sending/{kit.tenant}/warmup")
    (plan,) = answer.json()["data"]["plans"]
    return dict(plan)


async def reason(kit: Kit, campaign: UUID) -> str:
    return str((await kit.ok("GET", f"/{campaign}"))["status_reason"] or "")


async def waits(kit: Kit, campaign: UUID) -> bool:
    return (await reason(kit, campaign)).startswith("warm-up")


async def count(kit: Kit, campaign: UUID) -> Counter[str]:
    return Counter(row["state"] for row in await kit.recipients(campaign))


async def people(kit: Kit, *addresses: str) -> None:
    for address in addresses:
        await kit.execute(
            "INSERT INTO contact (tenant_id, id, email) VALUES ($1, $2, $3)", kit.tenant, uuid7(), address
        )


async def test_the_preset_has_seventy_days_from_five_to_twenty_thousand(kit: Kit) -> None:
    (plan,) = await put(kit, {"domain": "news.example.com"})
    assert (plan["days"], plan["caps"][0], plan["caps"][-1]) == (70, 5, 20_000)
    assert plan["caps"] == sorted(plan["caps"])
    assert (plan["cap"], plan["used"], plan["left"], plan["day_number"]) == (5, 0, 5, 1)


async def test_plans_for_the_same_mails_or_with_unknown_zones_are_refused(kit: Kit) -> None:
    path = f"/api/v2/sending/{kit.tenant}/warmup"
    for plans in (
        [{"domain": "a.example.com"}, {"domain": "a.example.com"}],
        [{"time_zone": "Europe/Nowhere"}],
        [{"preset": None}],
        [{"caps": [0]}],
    ):
        answer = await kit.request("PUT", path, json={"plans": plans})
        assert answer.status_code == 422, answer.text


async def test_what_is_over_the_cap_waits_and_days_advance_only_when_mail_was_sent(
    lone_kit: Kit, tmp_path: Path
) -> None:
    await put(lone_kit, {"caps": [3, 4, 100]})
    with smtp_sink(tmp_path) as sink:
        campaign = await lone_kit.started(9)
        async with sending(lone_kit, sink.port):
            await until(lambda: waits(lone_kit, campaign))
            assert "3 mails on day 1" in await reason(lone_kit, campaign)
            await until(lambda: _accepted(lone_kit, campaign, 3))
            plan = await plan_of(lone_kit)
            assert (plan["day_number"], plan["used"], plan["left"]) == (1, 3, 0)
            # Of three days one was used, so the plan is at its second.
            lone_kit.clock.advance(3 * DAY)
            assert (await plan_of(lone_kit))["day_number"] == 2
            await until(lambda: _accepted(lone_kit, campaign, 7))
            assert (await plan_of(lone_kit))["used"] == 4
            lone_kit.clock.advance(1 * DAY)
            await until(lambda: _is(lone_kit, campaign, "sent"))
        recipients = [message["recipient"] for message in sink.messages()]
    assert len(recipients) == len(set(recipients)) == 9
    assert (await plan_of(lone_kit))["day_number"] == 3


async def _accepted(kit: Kit, campaign: UUID, number: int) -> bool:
    return (await count(kit, campaign))["accepted"] == number


async def _is(kit: Kit, campaign: UUID, wanted: str) -> bool:
    return await status(kit, campaign) == wanted


async def test_a_plan_for_one_mailbox_provider_holds_back_no_other(lone_kit: Kit, tmp_path: Path) -> None:
    await put(lone_kit, {"mailbox_provider": "gmail", "caps": [2]})
    await people(lone_kit, *(f"g{n}@gmail.com" for n in range(5)), *(f"o{n}@example.com" for n in range(5)))
    created = await lone_kit.create()
    campaign = UUID(created["id"])
    await lone_kit.ok("POST", f"/{campaign}/send")
    with smtp_sink(tmp_path) as sink:
        async with sending(lone_kit, sink.port):
            await until(lambda: _accepted(lone_kit, campaign, 7))
            late = [row for row in await lone_kit.recipients(campaign) if row["state"] == "queued"]
            assert {row["email"].partition("@")[2] for row in late} == {"gmail.com"}
            midnight = lone_kit.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
            assert {row["next_attempt_at"] for row in late} == {midnight + timedelta(days=1)}
            assert await waits(lone_kit, campaign)
            assert await status(lone_kit, campaign) == "sending"


async def test_a_campaign_of_another_domain_is_not_limited(lone_kit: Kit, tmp_path: Path) -> None:
    await put(lone_kit, {"domain": "cold.example.com", "caps": [1]})
    with smtp_sink(tmp_path) as sink:
        campaign = await lone_kit.started(6, from_email="news@warm.example.com")
        async with sending(lone_kit, sink.port):
            await until(lambda: _is(lone_kit, campaign, "sent"))
    assert (await plan_of(lone_kit))["used"] == 0


async def test_a_paused_plan_sends_nothing_and_its_days_do_not_count(lone_kit: Kit, tmp_path: Path) -> None:
    await put(lone_kit, {"caps": [2, 50], "status": "paused"})
    with smtp_sink(tmp_path) as sink:
        campaign = await lone_kit.started(3)
        async with sending(lone_kit, sink.port):
            await until(lambda: waits(lone_kit, campaign))
            lone_kit.clock.advance(5 * DAY)
            await until(lambda: waits(lone_kit, campaign))
        assert sink.messages() == []
    assert "paused" in await reason(lone_kit, campaign)
    await put(lone_kit, {"caps": [2, 50]})
    assert (await plan_of(lone_kit))["day_number"] == 1


async def _sent_under_a_plan(kit: Kit, folder: Path, contacts: int, **plan: Any) -> UUID:
    await put(kit, {"caps": [1000], **plan})
    with smtp_sink(folder) as sink:
        campaign = await kit.started(contacts)
        async with sending(kit, sink.port):
            await until(lambda: _is(kit, campaign, "sent"))
    return campaign


async def test_bounces_above_five_per_cent_stop_a_plan(lone_kit: Kit, tmp_path: Path) -> None:
    campaign = await _sent_under_a_plan(lone_kit, tmp_path, 20, rules={"minimum": 20})
    for bounced, expected in ((1, "active"), (2, "stopped")):
        rows = [row["contact_id"] for row in await lone_kit.recipients(campaign)][:bounced]
        await lone_kit.execute(
            """UPDATE campaign_recipient SET state = 'bounced_hard', bounce_class = 'hard', bounced_at = now()
               WHERE tenant_id = $1 AND contact_id = ANY($2::uuid[])""",
            lone_kit.tenant,
            rows,
        )
        async with lone_kit.db.tenant_tx(lone_kit.tenant) as tx:
            await service.judge_plans(tx, lone_kit.clock.now())
        assert (await plan_of(lone_kit))["status"] == expected
    plan = await plan_of(lone_kit)
    assert "10.0% of 20 mails" in plan["status_reason"]
    assert plan["window"] == {"sent": 20, "bounced": 2, "complained": 0}
    assert plan["left"] == 0


async def test_plans_are_judged_while_the_sender_holds_them(lone_kit: Kit) -> None:
    await put(lone_kit, {"caps": [1]})
    async with lone_kit.db.tenant_tx(lone_kit.tenant) as sender:
        assert await service.open_day(sender, lone_kit.clock.now())
        async with lone_kit.db.tenant_tx(lone_kit.tenant) as tx:
            # Waiting for the sender, it would never come to an end.
            assert [found.stop for found in await service.judge_plans(tx, lone_kit.clock.now())] == [None]


async def test_one_tenants_plans_are_not_anothers(lone_kit: Kit) -> None:
    await put(lone_kit, {"caps": [1]})
    other = Kit(lone_kit.client, lone_kit.runtime, lone_kit.db, lone_kit.mint, lone_kit.clock, uuid7())
    path = f"/api/v2/sending/{lone_kit.tenant}/warmup"
    assert (await other.request("GET", path)).status_code == 404
    answer = await other.request("GET", f"/api/v2/sending/{other.tenant}/warmup")
    assert answer.json()["data"] == {"plans": []}
    refused = await lone_kit.request("PUT", path, json={"plans": []}, headers=lone_kit.headers("operator"))
    assert refused.status_code == 403
