"""Delivery webhooks as the bus brings them: matched, applied once, in any order."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

from shared.events.transports.base import Done, GiveUp
from shared.utils import uuid7

from .campaigns_kit import FIREFOX, Kit

HEADER = "type,timeLogged,orig,rcpt,dsnAction,dsnStatus,dsnDiag,bounceCat,jobId,envId,feedbackType"


def line(kit: Kit, kind: str, minutes: float = 1, **cells: str) -> str:
    moment = (kit.clock.now() + timedelta(minutes=minutes)).strftime("%Y-%m-%d %H:%M:%S+0000")
    values = {"type": kind, "timeLogged": moment, **cells}
    return ",".join(values.get(name, "") for name in HEADER.split(","))


def csv(*lines: str) -> str:
    return "\r\n".join((HEADER, *lines)) + "\r\n"


async def states(kit: Kit, campaign_id: UUID) -> list[str]:
    return [row["state"] for row in await kit.recipients(campaign_id)]


async def issues(kit: Kit) -> list[tuple[str, str]]:
    rows = await kit.fetch("SELECT kind, reason FROM delivery_issue WHERE tenant_id = $1", kit.tenant)
    return [(row["kind"], row["reason"]) for row in rows]


async def test_each_way_of_finding_the_mail(kit: Kit) -> None:
    campaign_id = await kit.accepted(5)
    rows = await kit.recipients(campaign_id)
    refs = [kit.ref(campaign_id, row["contact_id"]) for row in rows]
    body = csv(
        line(kit, "d", envId=refs[0]),
        line(kit, "d", orig=f"b-{refs[1].upper()}@bounce.example.com"),
        line(kit, "d", jobId=str(campaign_id), rcpt=rows[2]["email"].upper()),
        line(
            kit, "d", orig="other@example.com", envId="not-ours", jobId=campaign_id.hex, rcpt=rows[3]["email"]
        ),
    )
    extra = [
        {
            "type": "d",
            "timeLogged": str(kit.clock.now().timestamp()),
            "header_Message-Id": f"<{refs[4]}@m.test>",
        }
    ]
    assert isinstance(await kit.webhook("powermta", body), Done)
    assert isinstance(await kit.webhook("powermta", json.dumps(extra)), Done)
    assert await states(kit, campaign_id) == ["delivered"] * 5
    assert await kit.counts(campaign_id) == {"sent": 5, "delivered": 5}
    assert await issues(kit) == []


async def test_the_same_batch_twice_changes_nothing(kit: Kit) -> None:
    campaign_id = await kit.accepted(3)
    refs = [kit.ref(campaign_id, row["contact_id"]) for row in await kit.recipients(campaign_id)]
    body = csv(
        line(kit, "t", envId=refs[0]),
        line(kit, "d", 2, envId=refs[0]),
        line(kit, "b", envId=refs[1], bounceCat="quota-issues", dsnStatus="5.2.2"),
        line(kit, "f", envId=refs[2], feedbackType="abuse"),
        line(kit, "f", envId=refs[2], feedbackType="abuse"),
    )
    await kit.webhook("powermta", body)
    once = (await kit.counts(campaign_id), await kit.recipients(campaign_id))
    await kit.webhook("powermta", body)
    await kit.webhook("powermta", csv(*reversed(body.splitlines()[1:])))
    twice = (await kit.counts(campaign_id), await kit.recipients(campaign_id))
    assert once == twice
    assert once[0] == {"sent": 3, "delivered": 1, "deferred": 1, "bounced_soft": 1, "complained": 1}
    assert len(await kit.published("campaign.message.complained.v1")) == 1
    assert len(await kit.published("campaign.message.bounced.v1")) == 1


async def test_rows_in_any_order_end_the_same(kit: Kit) -> None:
    lines = [("t", 1, ""), ("d", 2, ""), ("rb", 3, "bad-mailbox"), ("f", 4, ""), ("d", 5, "")]
    said = {"t": "4.7.0", "d": "2.0.0 (success)", "rb": "5.1.1 (bad mailbox)", "f": ""}
    outcomes = []
    for seed in range(4):
        campaign_id = await kit.accepted(1)
        (row,) = await kit.recipients(campaign_id)
        ref = kit.ref(campaign_id, row["contact_id"])
        bodies = [
            csv(line(kit, kind, m, envId=ref, bounceCat=c, dsnStatus=said[kind])) for kind, m, c in lines
        ]
        random.Random(seed).shuffle(bodies)
        for body in bodies:
            await kit.webhook("powermta", body)
        (after,) = await kit.recipients(campaign_id)
        facts = (after["state"], after["bounce_class"], after["last_code"])
        outcomes.append((*facts, await kit.counts(campaign_id)))
    expected = ("complained", "hard", "5.1.1", {"sent": 1, "deferred": 1, "bounced_hard": 1, "complained": 1})
    assert outcomes == [expected] * 4


async def test_hard_bounces_and_complaints_suppress(kit: Kit) -> None:
    campaign_id = await kit.accepted(3)
    rows = await kit.recipients(campaign_id)
    refs = [kit.ref(campaign_id, row["contact_id"]) for row in rows]
    await kit.webhook(
        "powermta",
        csv(
            line(kit, "b", envId=refs[0], bounceCat="bad-mailbox", dsnStatus="5.1.1 (no such user)"),
            line(kit, "f", envId=refs[1], feedbackType="abuse"),
            line(kit, "b", envId=refs[2], bounceCat="spam-related", dsnStatus="5.7.1"),
        ),
    )
    assert await states(kit, campaign_id) == ["bounced_hard", "complained", "failed"]
    found = await kit.fetch("SELECT address_lower, reason FROM suppression WHERE tenant_id = $1", kit.tenant)
    assert {(row["address_lower"], row["reason"]) for row in found} == {
        (rows[0]["email"].lower(), "hard_bounce"),
        (rows[1]["email"].lower(), "complaint"),
    }
    statuses = await kit.fetch("SELECT id, status FROM contact WHERE tenant_id = $1 ORDER BY id", kit.tenant)
    assert [row["status"] for row in statuses] == ["invalid", "blacklisted", "valid"]
    counts = await kit.counts(campaign_id)
    assert counts == {"sent": 3, "bounced_hard": 1, "complained": 1, "bounced_other": 1}


async def test_five_soft_bounces_in_a_row_suppress_and_a_delivery_starts_anew(kit: Kit) -> None:
    campaign_id = await kit.accepted(2)
    refs = [kit.ref(campaign_id, row["contact_id"]) for row in await kit.recipients(campaign_id)]
    soft = {"bounceCat": "quota-issues", "dsnStatus": "4.2.2"}
    steady = [line(kit, "b", n, envId=refs[0], **soft) for n in range(1, 6)]
    saved = [line(kit, "b", n, envId=refs[1], **soft) for n in (1, 2, 4, 5, 6)] + [
        line(kit, "d", 3, envId=refs[1])
    ]
    await kit.webhook("powermta", csv(*steady[:4], *saved))
    assert await kit.fetch("SELECT 1 FROM suppression WHERE tenant_id = $1", kit.tenant) == []
    await kit.webhook("powermta", csv(steady[4]))
    (found,) = await kit.fetch("SELECT reason, expires_at FROM suppression WHERE tenant_id = $1", kit.tenant)
    assert (found["reason"], found["expires_at"]) == ("soft_bounces", kit.clock.now() + timedelta(days=90))


async def test_an_address_that_comes_back_after_soft_bounces_starts_anew(kit: Kit) -> None:
    campaign_id = await kit.accepted(1)
    (row,) = await kit.recipients(campaign_id)
    soft = {"envId": kit.ref(campaign_id, row["contact_id"]), "bounceCat": "quota-issues"}

    async def bounce(times: int) -> int:
        await kit.webhook("powermta", csv(*(line(kit, "b", n, **soft) for n in range(times))))
        (held,) = await kit.fetch("SELECT count(*) AS n FROM suppression WHERE tenant_id = $1", kit.tenant)
        return int(held["n"])

    assert await bounce(5) == 1
    await kit.execute("DELETE FROM suppression WHERE tenant_id = $1", kit.tenant)
    kit.clock.advance(3600)
    assert await bounce(4) == 0
    kit.clock.advance(3600)
    assert await bounce(1) == 1


async def test_a_bounce_speaks_of_the_address_it_came_from(kit: Kit) -> None:
    campaign_id = await kit.accepted(1)
    (row,) = await kit.recipients(campaign_id)
    await kit.execute("UPDATE contact SET email = 'new@example.com' WHERE tenant_id = $1", kit.tenant)
    ref = kit.ref(campaign_id, row["contact_id"])
    await kit.webhook("powermta", csv(line(kit, "b", envId=ref, bounceCat="bad-mailbox")))
    (held,) = await kit.fetch("SELECT address_lower FROM suppression WHERE tenant_id = $1", kit.tenant)
    assert held["address_lower"] == row["email"].lower()
    await kit.webhook("powermta", csv(line(kit, "f", envId=ref)))
    complained = await kit.fetch(
        "SELECT address_lower FROM suppression WHERE tenant_id = $1 AND reason = 'complaint'", kit.tenant
    )
    assert {found["address_lower"] for found in complained} == {row["email"].lower(), "new@example.com"}


async def test_what_fits_no_mail_is_kept_and_shown(kit: Kit) -> None:
    await kit.add_contacts(1, prefix="known")
    await kit.webhook(
        "powermta",
        csv(
            line(kit, "d", rcpt="stranger@example.com"),
            line(kit, "b", rcpt="known1@example.com", bounceCat="bad-mailbox", dsnStatus="5.1.1"),
            line(kit, "zz", rcpt="x@example.com"),
            line(kit, "r", rcpt="x@example.com"),
        ),
    )
    assert sorted(await issues(kit)) == [("rejected", "unknown_record_type"), ("unmatched", "no_such_mail")]
    (event,) = await kit.fetch("SELECT type, campaign_id FROM message_event WHERE tenant_id = $1", kit.tenant)
    assert (event["type"], event["campaign_id"]) == ("bounced", None)
    (contact,) = await kit.fetch("SELECT status FROM contact WHERE tenant_id = $1", kit.tenant)
    assert contact["status"] == "invalid"
    shown = (await kit.stats("events/unmatched"))[0]
    assert shown["raw"]
    assert sum(row["count"] for row in (await kit.stats("events"))["not_applied"]) == 2


async def test_another_tenants_references_and_addresses_find_nothing(kit: Kit, tenant_b: UUID) -> None:
    campaign_id = await kit.accepted(1)
    (row,) = await kit.recipients(campaign_id)
    ref = kit.ref(campaign_id, row["contact_id"])
    body = csv(
        line(kit, "b", envId=ref, rcpt=row["email"], bounceCat="bad-mailbox", dsnStatus="5.1.1"),
        line(kit, "f", jobId=str(campaign_id), rcpt=row["email"]),
    )
    assert isinstance(await kit.webhook("powermta", body, tenant=tenant_b), Done)
    assert await states(kit, campaign_id) == ["accepted"]
    assert await kit.counts(campaign_id) == {"sent": 1}
    assert await kit.fetch("SELECT 1 FROM suppression WHERE tenant_id = $1", kit.tenant) == []
    async with kit.db.tenant_tx(tenant_b) as tx:
        assert await tx.fetchval("SELECT count(*) FROM delivery_issue WHERE tenant_id = $1", tenant_b) == 2


async def test_a_delivery_proves_an_attempt_whose_end_nobody_saw(kit: Kit) -> None:
    campaign_id = await kit.started(1)
    (row,) = await kit.recipients(campaign_id)
    await kit.execute(
        """UPDATE campaign_recipient SET state = 'attempting', lease_token = $3, lease_until = now()
           WHERE tenant_id = $1 AND campaign_id = $2""",
        kit.tenant,
        campaign_id,
        uuid7(),
    )
    await kit.webhook("powermta", csv(line(kit, "d", envId=kit.ref(campaign_id, row["contact_id"]))))
    (after,) = await kit.recipients(campaign_id)
    assert (after["state"], after["lease_token"]) == ("delivered", None)
    assert await kit.counts(campaign_id) == {"sent": 1, "delivered": 1}


async def test_a_bounce_takes_the_person_out_of_running_campaigns(kit: Kit) -> None:
    campaign_id = await kit.accepted(1)
    (row,) = await kit.recipients(campaign_id)
    other = await kit.create()
    await kit.ok("POST", f"/{other['id']}/send")
    ref = kit.ref(campaign_id, row["contact_id"])
    await kit.webhook("powermta", csv(line(kit, "b", envId=ref, bounceCat="bad-domain", dsnStatus="5.1.2")))
    assert await states(kit, other["id"]) == ["skipped"]


async def test_a_large_batch_is_applied_in_one_go(kit: Kit) -> None:
    campaign_id = await kit.accepted(6000)
    rows = await kit.recipients(campaign_id)
    lines = [line(kit, "d", envId=kit.ref(campaign_id, row["contact_id"])) for row in rows]
    assert isinstance(await kit.webhook("powermta", csv(*lines)), Done)
    assert await kit.counts(campaign_id) == {"sent": 6000, "delivered": 6000}


async def test_a_body_that_is_nothing_goes_to_the_dead_letters_and_the_history(kit: Kit) -> None:
    assert isinstance(await kit.webhook("powermta", "[{"), GiveUp)
    assert isinstance(await kit.webhook("mailwizz", "not json"), GiveUp)
    failures = [failure["data"] for failure in await kit.published("webhook.processing.failed.v1")]
    assert [failure["consumer"] for failure in failures] == ["powermta-webhooks", "mailwizz-webhooks"]
    assert {failure["error"] for failure in failures} == {"the body is not valid JSON"}


def mailwizz(kit: Kit, kind: str, email: str, campaign: str, **event: str) -> dict[str, Any]:
    return {
        "event": {"type": kind, "ip_address": "203.0.113.9", "user_agent": FIREFOX, **event},
        "timestamp": int((kit.clock.now() + timedelta(minutes=1)).timestamp()),
        "subscriber": {"attributes": {"subscriber_uid": "s1", "email": email}},
        "campaign": {"attributes": {"campaign_uid": campaign}},
    }


async def test_mailwizz_opens_and_clicks_are_applied_once(kit: Kit) -> None:
    campaign_id = await kit.accepted(2, external_ref="gz674trpn64da")
    rows = await kit.recipients(campaign_id)
    events = [
        mailwizz(kit, "open", rows[0]["email"], "gz674trpn64da"),
        mailwizz(
            kit, "click", rows[0]["email"], str(campaign_id), url="https://shop.example.com/two?a=1&b=2"
        ),
        mailwizz(kit, "click", rows[1]["email"], "gz674trpn64da"),
        mailwizz(kit, "open", "stranger@example.com", "gz674trpn64da"),
    ]
    for event in (*events, *events):
        assert isinstance(await kit.webhook("mailwizz", json.dumps(event)), Done)
    counts = await kit.counts(campaign_id)
    assert counts == {"sent": 2, "opens_human": 1, "unique_opens": 1, "clicks_human": 2, "unique_clicks": 2}
    links = await kit.ok("GET", f"/{campaign_id}/links")
    assert [link["unique_clicks"] for link in links] == [0, 1, 0]
    assert await issues(kit) == [("unmatched", "no_such_mail")]


async def test_overlapping_batches_and_hits_at_once_count_as_one_after_the_other(kit: Kit) -> None:
    campaigns = [await kit.accepted(20), await kit.accepted(20)]  # the second goes to all forty people
    rows = [(c, row["contact_id"]) for c in campaigns for row in await kit.recipients(c)]
    kinds = ("d", "b", "f", "t")
    lines = [
        line(kit, kinds[n % 4], envId=kit.ref(*row), bounceCat="bad-mailbox" if n % 8 == 1 else "other")
        for n, row in enumerate(rows)
    ]
    kit.clock.advance(3600)
    chance = random.Random(3)
    bodies = [csv(*chance.sample(lines, 30)) for _ in range(6)] + [csv(*lines)]
    paths = [f"/t/o/{kit.token(*row)}" for row in rows] + [f"/t/c/{kit.token(*row)}.0" for row in rows]
    chance.shuffle(paths)
    answers = await asyncio.gather(
        *(kit.webhook("powermta", body) for body in bodies),
        *(kit.client.get(path, headers={"User-Agent": FIREFOX}) for path in paths),
    )
    assert {getattr(answer, "status_code", 0) for answer in answers} <= {0, 200, 302}
    sums = Counter[str]()
    for campaign in campaigns:
        sums.update(await kit.counts(campaign))
    assert sums == {
        "sent": 60,
        "delivered": 15,
        "bounced_hard": 8,
        "bounced_other": 7,
        "complained": 15,
        "deferred": 15,
        "opens_human": 60,
        "unique_opens": 60,
        "clicks_human": 60,
        "unique_clicks": 60,
    }
