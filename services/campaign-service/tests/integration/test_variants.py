"""Campaigns in variants, from the draft to the winner, against a real mail server."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import timedelta
from email import message_from_string
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from campaign_service.ab import repository as ab_repository
from campaign_service.campaigns.holds import worker as holds
from campaign_service.campaigns.service import finish
from tests.simulators.processes import smtp_sink

from .campaigns_kit import Kit
from .test_sending_worker import sending, until

TWO: dict[str, Any] = {
    "variants": [
        {"subject": "One {{ first_name }}", "from_name": "Shop One"},
        {"subject": "Two {{ first_name }}"},
    ],
    "test_percent": 50,
    "wait_seconds": 3600,
}


@pytest.fixture
def kit(lone_kit: Kit) -> Kit:
    return lone_kit


def expected_variant(campaign: UUID, contact: UUID, percent: int, variants: int) -> int:
    """The split, as the schema of the audience states it."""
    digits = hashlib.md5(f"{campaign}{contact}".encode(), usedforsecurity=False).hexdigest()
    return 1 + int(digits[8:16], 16) % variants if int(digits[:8], 16) % 100 < percent else 0


async def begun(kit: Kit, people: int, **rules: Any) -> UUID:
    await kit.add_contacts(people)
    campaign = await kit.create()
    await kit.ok("PUT", f"/{campaign['id']}/variants", json=TWO | rules)
    await kit.ok("POST", f"/{campaign['id']}/send")
    return UUID(campaign["id"])


async def accept_test_group(kit: Kit, campaign: UUID) -> None:
    await kit.execute(
        """UPDATE campaign_recipient SET state = 'accepted', accepted_at = $3
           WHERE tenant_id = $1 AND campaign_id = $2 AND variant > 0 AND state = 'queued'""",
        kit.tenant,
        campaign,
        kit.clock.now(),
    )


async def clicked(kit: Kit, campaign: UUID, variant: int, number: int) -> None:
    await kit.execute(
        """UPDATE campaign_recipient SET first_clicked_at = $5
           WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = ANY(ARRAY(
             SELECT contact_id FROM campaign_recipient
             WHERE tenant_id = $1 AND campaign_id = $2 AND variant = $3 LIMIT $4))""",
        kit.tenant,
        campaign,
        variant,
        number,
        kit.clock.now(),
    )


def subject_of(message: dict[str, Any]) -> str:
    subject: str = message_from_string(message["content"], policy=default)["Subject"]
    return subject


async def variants(kit: Kit, campaign: UUID) -> Any:
    return await kit.ok("GET", f"/{campaign}/variants")


async def test_variants_can_be_written_replaced_and_taken_away(kit: Kit) -> None:
    campaign = await kit.create()
    path = f"/{campaign['id']}/variants"
    assert (await kit.campaigns("GET", path)).status_code == 404
    created = await kit.campaigns("POST", path, json=TWO)
    assert created.status_code == 201
    assert created.json()["data"]["phase"] == "draft"
    assert (await kit.campaigns("POST", path, json=TWO)).json()["error"]["code"] == "TEST_STATE"
    three = [*TWO["variants"], {"template_id": str(await kit.add_template(("en",)))}]
    replaced = await kit.ok("PUT", path, json=TWO | {"variants": three})
    assert [variant["number"] for variant in replaced["variants"]] == [1, 2, 3]
    copy = await kit.ok("POST", f"/{campaign['id']}/duplicate")
    assert len((await variants(kit, copy["id"]))["variants"]) == 3
    assert (await kit.campaigns("DELETE", path)).is_success
    assert (await kit.campaigns("DELETE", path)).status_code == 404


async def test_each_variant_can_be_previewed(kit: Kit) -> None:
    other = await kit.add_template(("en",), "<p>Another {{ code }}</p>")
    campaign = await kit.create(code_pool="spring")
    rules = TWO | {"variants": [{"subject": "First for {{ first_name }}"}, {"template_id": str(other)}]}
    await kit.ok("PUT", f"/{campaign['id']}/variants", json=rules)
    first, second, plain = [
        await kit.ok("GET", f"/{campaign['id']}/preview{query}")
        for query in ("?variant=1", "?variant=2&language=en", "")
    ]
    assert (first["subject"], first["html"]) == ("First for", plain["html"])
    assert "Another SAMPLE-CODE" in second["html"]
    assert plain["subject"].startswith("[en]")
    for number, status in ((3, 404), (0, 422)):
        assert (
            await kit.campaigns("GET", f"/{campaign['id']}/preview?variant={number}")
        ).status_code == status


async def test_a_file_of_a_variant_that_is_being_sent_is_not_deleted(kit: Kit) -> None:
    other = await kit.add_template(("en",))
    path = f"/api/v2/templates/{kit.tenant}/{other}/attachments"
    attached = await kit.request("POST", path, files={"file": ("terms.pdf", b"%PDF-1.7 terms")})
    file = attached.json()["data"][0]["attachment_id"]
    campaign = await kit.create()
    rules = TWO | {"variants": [{"subject": "First"}, {"template_id": str(other)}]}
    await kit.ok("PUT", f"/{campaign['id']}/variants", json=rules)
    await kit.add_contacts(3)
    await kit.ok("POST", f"/{campaign['id']}/send")
    assert (await kit.request("DELETE", f"{path}/{file}")).status_code == 200
    refused = await kit.request("DELETE", f"/api/v2/attachments/{kit.tenant}/{file}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "ATTACHMENT_IN_USE")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"variants": [{"subject": "alone"}]}, 422),
        ({"variants": [{"subject": "same"}, {"subject": "same"}]}, 422),
        ({"variants": [{"subject": "{{ broken"}, {}]}, 400),
        ({"variants": [{"template_id": "00000000-0000-7000-8000-000000000000"}, {}]}, 400),
        ({"test_percent": 0}, 422),
    ],
)
async def test_what_cannot_be_sent_is_refused(kit: Kit, change: dict[str, Any], status: int) -> None:
    campaign = await kit.create()
    answer = await kit.campaigns("PUT", f"/{campaign['id']}/variants", json=TWO | change)
    assert answer.status_code == status, answer.text


async def test_who_gets_which_follows_from_campaign_and_contact(kit: Kit) -> None:
    campaign = await begun(kit, 300, test_percent=40)
    rows = await kit.recipients(campaign)
    for row in rows:
        assert row["variant"] == expected_variant(campaign, row["contact_id"], 40, 2)
        assert (row["next_attempt_at"] is not None) == (row["variant"] == 0)
    counts = Counter(row["variant"] for row in rows)
    assert 90 < counts[1] + counts[2] < 150
    assert (await variants(kit, campaign))["held"] == counts[0]
    listed = await kit.ok("GET", f"/{campaign}/recipients?limit=100")
    assert {row["next_attempt_at"] for row in listed} == {None}


async def test_the_test_group_is_mailed_then_the_rest_gets_what_won(kit: Kit, tmp_path: Path) -> None:
    with smtp_sink(tmp_path) as sink:
        campaign = await begun(kit, 40)
        group = {row["email"]: row["variant"] for row in await kit.recipients(campaign) if row["variant"]}
        async with sending(kit, sink.port):
            await until(lambda: _sent(kit, campaign, len(group)))
            await holds.once(kit.runtime)
            assert (await variants(kit, campaign))["phase"] == "waiting"
            assert {m["recipient"] for m in sink.messages()} == set(group)
            await clicked(kit, campaign, 2, 3)
            kit.clock.advance(3601)
            await holds.once(kit.runtime)
            await until(lambda: _sent(kit, campaign, 40))
        subjects = {m["recipient"]: subject_of(m).split()[0] for m in sink.messages()}
    assert len(subjects) == len(sink.messages()) == 40
    assert {email: subjects[email] for email in group} == {
        email: "One" if variant == 1 else "Two" for email, variant in group.items()
    }
    assert {subject for email, subject in subjects.items() if email not in group} == {"Two"}
    shown = await variants(kit, campaign)
    assert (shown["phase"], shown["winner"], shown["held"]) == ("decided", 2, 0)
    assert [v["tested"] for v in shown["variants"]] == [
        sum(number == variant for variant in group.values()) for number in (1, 2)
    ]
    assert sum(v["sent"] for v in shown["variants"]) == 40


async def _sent(kit: Kit, campaign: UUID, number: int) -> bool:
    return (await kit.counts(campaign)).get("sent", 0) == number


async def test_a_campaign_is_not_over_while_somebody_waits_for_the_winner(kit: Kit) -> None:
    campaign = await begun(kit, 30)
    await accept_test_group(kit, campaign)
    async with kit.db.tenant_tx(kit.tenant) as tx:
        assert not await finish(tx, kit.runtime, kit.tenant, campaign)


async def test_the_winner_is_chosen_once_and_only_after_the_wait(kit: Kit) -> None:
    campaign = await begun(kit, 200)
    await holds.once(kit.runtime)
    assert (await variants(kit, campaign))["phase"] == "testing"
    await accept_test_group(kit, campaign)
    await holds.once(kit.runtime)
    kit.clock.advance(3500)
    await holds.once(kit.runtime)
    assert (await variants(kit, campaign))["winner"] is None
    await clicked(kit, campaign, 1, 30)
    kit.clock.advance(101)
    await holds.once(kit.runtime)
    decided = await variants(kit, campaign)
    assert (decided["winner"], decided["outcome"]) == (1, "significant")
    assert decided["p_value"] < 0.001
    await clicked(kit, campaign, 2, 60)
    kit.clock.advance(3600)
    await holds.once(kit.runtime)
    assert (await variants(kit, campaign))["decided_at"] == decided["decided_at"]
    assert {row["variant"] for row in await kit.recipients(campaign) if row["state"] == "queued"} == {1}


async def test_a_choice_by_hand_ends_the_wait_and_cannot_be_changed(kit: Kit) -> None:
    campaign = await begun(kit, 30, automatic=False)
    await accept_test_group(kit, campaign)
    await holds.once(kit.runtime)
    kit.clock.advance(10 * 3600)
    await holds.once(kit.runtime)
    assert (await variants(kit, campaign))["phase"] == "by_hand"
    assert (await kit.campaigns("POST", f"/{campaign}/variants/3/win")).status_code == 404
    won = await kit.ok("POST", f"/{campaign}/variants/2/win")
    assert (won["winner"], won["outcome"]) == (2, "by_hand")
    assert (await kit.campaigns("POST", f"/{campaign}/variants/1/win")).status_code == 409
    await holds.once(kit.runtime)
    waiting = [row for row in await kit.recipients(campaign) if row["state"] == "queued"]
    assert {(row["variant"], row["next_attempt_at"]) for row in waiting} == {(2, None)}


async def test_a_started_campaign_keeps_its_variants(kit: Kit) -> None:
    campaign = await begun(kit, 5)
    for method in ("PUT", "POST", "DELETE"):
        answer = await kit.campaigns(
            method, f"/{campaign}/variants", **({} if method == "DELETE" else {"json": TWO})
        )
        assert answer.json()["error"]["code"] == "CAMPAIGN_STATE"


async def test_cancelling_ends_the_wait_of_everybody(kit: Kit) -> None:
    campaign = await begun(kit, 20)
    await kit.ok("POST", f"/{campaign}/cancel")
    await holds.once(kit.runtime)
    rows = await kit.recipients(campaign)
    assert {(row["state"], row["next_attempt_at"]) for row in rows} == {("cancelled", None)}


async def test_links_of_all_variants_are_tracked(kit: Kit) -> None:
    other = await kit.add_template(("en",), html='<a href="https://shop.example.com/other">other</a>')
    await kit.add_contacts(2)
    campaign = await kit.create()
    await kit.ok("PUT", f"/{campaign['id']}/variants", json={"variants": [{}, {"template_id": str(other)}]})
    await kit.ok("POST", f"/{campaign['id']}/send")
    links = {link["url"] for link in await kit.ok("GET", f"/{campaign['id']}/links")}
    assert {"https://shop.example.com/one", "https://shop.example.com/other"} <= links
    async with kit.db.tenant_tx(kit.tenant) as tx:
        test = await ab_repository.find(tx, kit.tenant, UUID(campaign["id"]))
    assert test is not None
    assert [variant["template_version"] for variant in test["variants"]] == [None, 1]


async def test_the_rest_waits_for_its_hour_after_the_decision_too(kit: Kit) -> None:
    await kit.add_contacts(30)
    local = (kit.clock.now() + timedelta(hours=1)).strftime("%H:%M")
    campaign = await kit.create(local_time=local, max_lateness_seconds=0)
    await kit.ok("PUT", f"/{campaign['id']}/variants", json=TWO)
    await kit.ok("POST", f"/{campaign['id']}/send")
    kit.clock.advance(3601)
    await accept_test_group(kit, UUID(campaign["id"]))
    await holds.once(kit.runtime)
    kit.clock.advance(3601)
    await holds.once(kit.runtime)
    rest = [row for row in await kit.recipients(campaign["id"]) if row["state"] == "queued"]
    assert {row["next_attempt_at"].strftime("%H:%M") for row in rest} == {local}
    assert min(row["next_attempt_at"] for row in rest) > kit.clock.now() + timedelta(hours=20)


async def test_a_campaign_keeps_no_variants_that_do_not_fit_it(kit: Kit) -> None:
    campaign = await kit.create()
    path = f"/{campaign['id']}"
    await kit.ok("POST", f"{path}/variants", json={"variants": [{"subject": "One"}, {"subject": "Two"}]})
    refused = await kit.campaigns("PUT", path, json={"channel": "sms", "sms_text": "Hello"})
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "variants.0")
    assert (await kit.ok("GET", path))["channel"] == "email"
    await kit.ok("DELETE", f"{path}/variants")
    await kit.ok("PUT", path, json={"channel": "sms", "sms_text": "Hello"})


async def test_errors_say_which_variant(kit: Kit) -> None:
    campaign = await kit.create()
    body = {"variants": [{"subject": "One"}, {"subject": "Two {{ first_name"}]}
    refused = (await kit.campaigns("POST", f"/{campaign['id']}/variants", json=body)).json()["error"]
    assert refused["field"] == "variants.1.subject"
    assert refused["message"].startswith("Variant 2, subject, line 1")


async def test_a_variant_is_tried_as_it_would_be_sent(kit: Kit) -> None:
    await kit.add_contacts(1)
    campaign = await kit.create(from_name="Shop")
    other = await kit.add_template(("en",), html="<p>Another</p>")
    path = f"/api/v2/templates/{kit.tenant}/{other}/attachments"
    attached = await kit.request("POST", path, files={"file": ("terms.txt", b"All rights.")})
    assert attached.is_success, attached.text
    rules = {"variants": [TWO["variants"][0], {"template_id": str(other)}]}
    await kit.ok("PUT", f"/{campaign['id']}/variants", json=rules)

    async def tried(**more: Any) -> dict[str, Any]:
        body = {"to": ["me@example.com"], **more}
        sent = await kit.ok("POST", f"/{campaign['id']}/test", json=body)
        [row] = await kit.fetch(
            """SELECT m.from_name, m.subject, m.html, m.template_id,
                      (SELECT count(*) FROM mail_attachment u
                       WHERE u.tenant_id = $1 AND u.message_id = m.id) AS files
               FROM message m WHERE m.tenant_id = $1 AND m.id = $2""",
            kit.tenant,
            UUID(sent["message_ids"][0]),
        )
        return row

    plain, one, two = await tried(), await tried(variant=1), await tried(variant=2)
    assert [row["from_name"] for row in (plain, one, two)] == ["Shop", "Shop One", "Shop"]
    assert [row["subject"] for row in (plain, one)] == ["[Test] [en] Hello Ann1", "[Test] One Ann1"]
    assert ("Another" in two["html"], two["template_id"]) == (True, other)
    assert [row["files"] for row in (plain, one, two)] == [0, 0, 1]
    unknown = await kit.campaigns(
        "POST", f"/{campaign['id']}/test", json={"to": ["me@example.com"], "variant": 3}
    )
    assert unknown.status_code == 404
    assert unknown.json()["error"]["field"] == "variant"
