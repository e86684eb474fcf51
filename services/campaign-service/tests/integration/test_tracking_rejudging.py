"""Verdicts judged again: by the job, in figures, beside live hits."""

from __future__ import annotations

import asyncio
import email
import email.policy
import random
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from campaign_service.rendering import Recipient
from campaign_service.sending.feeding import load
from campaign_service.sending.model import CampaignKey
from campaign_service.settings import site_of
from campaign_service.tracking.rejudging import job as rejudging
from campaign_service.tracking.rejudging.crowds import MANY_RECIPIENTS
from shared.utils import uuid7

from .campaigns_kit import FIREFOX, Kit
from .test_deliveries_webhooks import csv, line

FIGURES = ("opens_", "clicks_", "unique_opens", "unique_clicks")


async def run(kit: Kit, campaign_id: UUID | None = None, **more: Any) -> dict[str, Any]:
    """Have the job done; its result."""
    async with kit.db.tenant_tx(kit.tenant) as tx:
        job_id = await rejudging.enqueue(kit.runtime, tx, campaign_id=campaign_id, **more)
    await kit.runtime.jobs.run_due()
    (found,) = await kit.fetch("SELECT status, result, error FROM job WHERE id = $1", job_id)
    assert found["status"] == "completed", found["error"]
    result: dict[str, Any] = found["result"]
    return result


async def hit_figures(kit: Kit, campaign_id: UUID) -> dict[str, int]:
    counts = await kit.counts(campaign_id)
    return {name: number for name, number in counts.items() if name.startswith(FIGURES)}


async def recounted(kit: Kit, campaign_id: UUID) -> dict[str, int]:
    """The figures, counted from the events one by one."""
    rows = await kit.fetch(
        "SELECT * FROM message_event WHERE tenant_id = $1 AND campaign_id = $2", kit.tenant, campaign_id
    )
    kinds = {"opened": "open", "clicked": "click"}
    hits = [row for row in rows if row["type"] in kinds]
    counts = Counter(f"{kinds[row['type']]}s_{row['verdict']}" for row in hits)
    human = {(row["type"], row["contact_id"]) for row in hits if row["verdict"] == "human"}
    counts.update(f"unique_{kinds[kind]}s" for kind, _ in human)
    return dict(counts)


async def get(kit: Kit, *paths: str, visitor: str = "203.0.113.9", agent: str = FIREFOX) -> None:
    for path in paths:
        await kit.client.get(path, headers={"User-Agent": agent, "X-Forwarded-For": visitor})


async def tokens(kit: Kit, campaign_id: UUID) -> list[str]:
    return [kit.token(campaign_id, row["contact_id"]) for row in await kit.recipients(campaign_id)]


def wait_for_noon(kit: Kit) -> None:
    """A visitor is somebody else after midnight."""
    noon = kit.clock.now().replace(hour=12) + timedelta(days=1)
    kit.clock.advance((noon - kit.clock.now()).total_seconds())


async def people_served_by_one_scanner(kit: Kit) -> UUID:
    """A campaign of which one visitor opened and clicked everybody's mail, and another a single one."""
    campaign_id = await kit.accepted(MANY_RECIPIENTS + 1)
    wait_for_noon(kit)
    *scanned, read = await tokens(kit, campaign_id)
    for token in scanned:
        kit.clock.advance(1)
        await get(kit, f"/t/o/{token}", f"/t/c/{token}.0", visitor="198.51.100.7")
    await get(kit, f"/t/o/{read}", f"/t/c/{read}.0")
    return campaign_id


async def test_one_visitor_of_many_mails_turns_out_to_be_a_scanner(lone_kit: Kit) -> None:
    kit = lone_kit
    campaign_id = await people_served_by_one_scanner(kit)
    before = await hit_figures(kit, campaign_id)
    assert before["unique_clicks"] == before["clicks_human"] == MANY_RECIPIENTS + 1
    result = await run(kit, campaign_id)
    assert result == {"people": MANY_RECIPIENTS + 1, "changed": 2 * MANY_RECIPIENTS}
    after = await hit_figures(kit, campaign_id)
    assert after == await recounted(kit, campaign_id)
    assert (after["clicks_human"], after["clicks_scanner"], after["unique_opens"]) == (1, MANY_RECIPIENTS, 1)
    (link, *_) = await kit.ok("GET", f"/{campaign_id}/links")
    assert (link["clicks_human"], link["clicks_scanner"]) == (1, MANY_RECIPIENTS)
    firsts = [row["first_clicked_at"] for row in await kit.recipients(campaign_id)]
    assert [at is not None for at in firsts] == [False] * MANY_RECIPIENTS + [True]
    assert (await run(kit, campaign_id))["changed"] == 0
    assert await hit_figures(kit, campaign_id) == after


async def test_an_inner_address_and_several_programs_are_no_crowd(lone_kit: Kit) -> None:
    kit = lone_kit
    campaign_id = await kit.accepted(2 * MANY_RECIPIENTS)
    wait_for_noon(kit)
    people = await tokens(kit, campaign_id)
    for inner, token in enumerate(people[:MANY_RECIPIENTS]):
        await get(kit, f"/t/c/{token}.0", visitor="172.17.0.1" if inner else "::ffff:10.0.0.1")
    for number, token in enumerate(people[MANY_RECIPIENTS:]):
        await get(kit, f"/t/c/{token}.0", agent=f"{FIREFOX} {number % 2}")
    assert (await run(kit, campaign_id))["changed"] == 0
    visitors = await kit.fetch(
        "SELECT count(*) AS n FROM message_event WHERE tenant_id = $1 AND detail->>'visitor' = ''", kit.tenant
    )
    assert visitors[0]["n"] == MANY_RECIPIENTS


async def test_a_click_at_the_moment_of_a_late_reported_delivery_is_a_scanners(lone_kit: Kit) -> None:
    kit = lone_kit
    campaign_id = await kit.accepted(1)
    (row,) = await kit.recipients(campaign_id)
    kit.clock.advance(600)
    await get(kit, f"/t/c/{kit.token(campaign_id, row['contact_id'])}.0")
    assert (await hit_figures(kit, campaign_id))["clicks_human"] == 1
    await kit.webhook("powermta", csv(line(kit, "d", -1 / 60, envId=kit.ref(campaign_id, row["contact_id"]))))
    assert (await run(kit))["changed"] == 1
    assert await hit_figures(kit, campaign_id) == {"clicks_scanner": 1}


async def test_a_verdict_of_older_rules_can_become_a_persons_again(lone_kit: Kit) -> None:
    kit = lone_kit
    campaign_id = await kit.accepted(1)
    kit.clock.advance(600)
    (token,) = await tokens(kit, campaign_id)
    await get(kit, f"/t/c/{token}.0")
    expected = await hit_figures(kit, campaign_id)
    (first,) = [row["first_clicked_at"] for row in await kit.recipients(campaign_id)]
    await kit.execute("UPDATE message_event SET verdict = 'scanner' WHERE tenant_id = $1", kit.tenant)
    await kit.execute(
        """UPDATE campaign_stats SET clicks_human = 0, clicks_scanner = 1, unique_clicks = 0
           WHERE tenant_id = $1 AND clicks_human = 1""",
        kit.tenant,
    )
    await kit.execute(
        "UPDATE campaign_recipient SET first_clicked_at = NULL WHERE tenant_id = $1", kit.tenant
    )
    assert (await run(kit, campaign_id))["changed"] == 1
    assert await hit_figures(kit, campaign_id) == expected
    assert [row["first_clicked_at"] for row in await kit.recipients(campaign_id)] == [first]


async def test_who_follows_the_link_that_no_person_sees_is_a_scanner_in_all_of_that_mail(
    lone_kit: Kit,
) -> None:
    kit = lone_kit
    campaign_id = await kit.accepted(2)
    wait_for_noon(kit)
    caught, free = await tokens(kit, campaign_id)
    scanner, reader = "198.51.100.7", "203.0.113.9"
    await get(kit, f"/t/c/{caught}.0", visitor=scanner)
    kit.clock.advance(60)
    answer = await kit.client.get(
        f"/t/h/{caught}", headers={"User-Agent": FIREFOX, "X-Forwarded-For": scanner}
    )
    assert (answer.status_code, answer.content) == (204, b"")
    await get(kit, f"/t/c/{caught}.1", visitor=reader)
    await get(kit, f"/t/c/{free}.1", visitor=scanner)
    assert await hit_figures(kit, campaign_id) == {"clicks_human": 3, "clicks_scanner": 1, "unique_clicks": 2}
    assert (await run(kit, campaign_id))["changed"] == 1
    after = await hit_figures(kit, campaign_id)
    assert after == await recounted(kit, campaign_id)
    assert after == {"clicks_human": 2, "clicks_scanner": 2, "unique_clicks": 2}


async def test_a_trap_without_a_mail_of_ours_says_nothing(kit: Kit) -> None:
    for method in ("GET", "HEAD"):
        assert (await kit.client.request(method, "/t/h/forged")).status_code == 204


async def test_mails_have_the_link_that_no_person_sees_when_the_tenant_wants_it(kit: Kit) -> None:
    path = f"/api/v2/sending/{kit.tenant}/tracking"
    assert (await kit.request("GET", path)).json()["data"] == {"link_trap": False}
    denied = await kit.request("PUT", path, json={"link_trap": True}, headers=kit.headers("operator"))
    assert denied.status_code == 403
    campaign_id = await kit.started(1)
    for wanted in (False, True):
        answer = await kit.request("PUT", path, json={"link_trap": wanted})
        assert answer.json()["data"] == {"link_trap": wanted}
        mails = await load(kit.runtime, site_of(kit.runtime), CampaignKey(kit.tenant, campaign_id))
        (row,) = await kit.recipients(campaign_id)
        mail = email.message_from_bytes(
            mails.mail(Recipient(row["contact_id"], row["email"])).content, policy=email.policy.default
        )
        html = mail.get_body(("html",))
        assert html is not None
        assert ("/t/h/" in html.get_content()) is wanted


async def test_who_was_erased_is_judged_no_more(lone_kit: Kit) -> None:
    kit = lone_kit
    campaign_id = await people_served_by_one_scanner(kit)
    await kit.execute(
        "UPDATE message_event SET detail = '{}', contact_id = NULL WHERE tenant_id = $1", kit.tenant
    )
    before = await hit_figures(kit, campaign_id)
    assert await run(kit, campaign_id) == {"people": 0, "changed": 0}
    assert await hit_figures(kit, campaign_id) == before


async def test_the_recent_pass_finds_the_campaigns_by_itself(lone_kit: Kit) -> None:
    kit = lone_kit
    campaign_id = await people_served_by_one_scanner(kit)
    async with kit.db.system_tx() as tx:
        await kit.runtime.jobs.enqueue(tx, "tracking.recompute_recent", {}, tenant_id=None)
    await kit.runtime.jobs.run_due()
    assert (await hit_figures(kit, campaign_id))["clicks_human"] == 1


async def test_a_recent_pass_leaves_older_verdicts_as_they_were(lone_kit: Kit) -> None:
    kit = lone_kit
    campaign_id = await people_served_by_one_scanner(kit)
    await run(kit, campaign_id)
    judged = await hit_figures(kit, campaign_id)
    kit.clock.advance(7200)
    since = kit.clock.now() - timedelta(minutes=1)
    (token, *_) = await tokens(kit, campaign_id)
    await get(kit, f"/t/c/{token}.1")
    assert await run(kit, campaign_id, since=since) == {"people": 1, "changed": 0}
    after = await hit_figures(kit, campaign_id)
    assert after == await recounted(kit, campaign_id)
    assert after["clicks_human"] == judged["clicks_human"] + 1


async def test_judging_beside_live_hits_leaves_the_figures_right(lone_kit: Kit) -> None:
    kit = lone_kit
    campaign_id = await people_served_by_one_scanner(kit)
    paths = [
        f"/t/{kind}" for token in await tokens(kit, campaign_id) for kind in (f"o/{token}", f"c/{token}.1")
    ]
    random.Random(5).shuffle(paths)
    await asyncio.gather(run(kit, campaign_id), *(get(kit, path) for path in paths))
    await run(kit, campaign_id)
    assert await hit_figures(kit, campaign_id) == await recounted(kit, campaign_id)


async def test_an_interrupted_job_goes_on_where_it_was(lone_kit: Kit) -> None:
    kit = lone_kit
    campaign_id = await people_served_by_one_scanner(kit)
    *_, last = await kit.recipients(campaign_id)
    async with kit.db.tenant_tx(kit.tenant) as tx:
        job_id = await rejudging.enqueue(kit.runtime, tx)
    place = {
        "done": 7,
        "changed": 14,
        "campaign_id": str(campaign_id),
        "after": str(last["contact_id"]),
    }
    await kit.execute("UPDATE job SET progress = $2 WHERE id = $1", job_id, place)
    await kit.runtime.jobs.run_due()
    (found,) = await kit.fetch("SELECT result FROM job WHERE id = $1", job_id)
    assert found["result"] == {"people": 7, "changed": 14}


async def test_the_routes_enqueue_one_job_each(kit: Kit) -> None:
    campaign_id = await kit.accepted(1)
    for path in (f"campaigns/{kit.tenant}/{campaign_id}", f"stats/{kit.tenant}"):
        first = await kit.request("POST", f"/api/v2/{path}/recompute-verdicts")
        again = await kit.request("POST", f"/api/v2/{path}/recompute-verdicts")
        assert (first.status_code, again.status_code) == (202, 409), first.text
        denied = await kit.request(
            "POST", f"/api/v2/{path}/recompute-verdicts", headers=kit.headers("viewer")
        )
        assert denied.status_code == 403
    missing = await kit.campaigns("POST", f"/{uuid7()}/recompute-verdicts")
    assert missing.status_code == 404


AGENTS = (FIREFOX, "Mozilla/5.0", "Googlebot/2.1", "Odd/1")


async def make(kit: Kit, people: list[str], hits: Iterable[tuple[int, str, str, int]]) -> None:
    for person, what, agent, pause in hits:
        kit.clock.advance(pause)
        headers = {"User-Agent": agent, "X-Forwarded-For": "203.0.113.9"}
        path = f"/t/o/{people[person]}" if what == "o" else f"/t/c/{people[person]}.{what[-1]}"
        await kit.client.request("HEAD" if what.startswith("HEAD") else "GET", path, headers=headers)


async def test_random_hits_count_as_their_events_say_and_judging_twice_changes_nothing(
    lone_kit: Kit,
) -> None:
    kit = lone_kit
    chance = random.Random(11)
    for _ in range(6):
        campaign_id = await kit.accepted(3)
        people = (await tokens(kit, campaign_id))[-3:]
        hits = [
            (
                chance.randrange(3),
                chance.choice(["o", "c0", "c1", "c2", "HEAD0"]),
                chance.choice(AGENTS),
                chance.randrange(4),
            )
            for _ in range(15)
        ]
        await make(kit, people, hits)
        assert await hit_figures(kit, campaign_id) == await recounted(kit, campaign_id)
        await run(kit, campaign_id)
        assert await hit_figures(kit, campaign_id) == await recounted(kit, campaign_id)
        assert (await run(kit, campaign_id))["changed"] == 0
