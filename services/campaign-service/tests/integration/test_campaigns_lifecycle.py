"""A campaign's way from draft to sent."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from campaign_service.campaigns import service
from campaign_service.suppressions.repository import NewSuppression, add_many

from .campaigns_kit import Kit


async def set_states(kit: Kit, campaign_id: UUID, *states: str) -> None:
    for recipient, state in zip(await kit.recipients(campaign_id), states, strict=True):
        await kit.execute(
            """UPDATE campaign_recipient SET state = $4, updated_at = $5
               WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = $3""",
            kit.tenant,
            campaign_id,
            recipient["contact_id"],
            state,
            kit.clock.now(),
        )


async def finish(kit: Kit, campaign_id: UUID) -> bool:
    async with kit.db.tenant_tx(kit.tenant) as tx:
        return await service.finish(tx, kit.runtime, kit.tenant, campaign_id)


async def suppress(kit: Kit, address: str) -> None:
    async with kit.db.tenant_tx(kit.tenant) as tx:
        await add_many(tx, kit.tenant, [NewSuppression(address, "manual")])


async def test_send_answers_as_the_seed_and_freezes_everything(kit: Kit) -> None:
    await kit.add_contacts(2, language="fr-CA")
    await kit.add_contacts(1, language="de", prefix="d")
    template = await kit.add_template(("en", "fr"))
    campaign = await kit.create(template_id=str(template))
    answer = await kit.campaigns("POST", f"/{campaign['id']}/send")
    data = answer.json()["data"]
    assert answer.status_code == 202
    assert (data["success"], data["campaign_id"], data["status"]) == (True, campaign["id"], "sending")
    assert data["message"] == "Campaign queued for sending"
    stored = await kit.ok("GET", f"/{campaign['id']}")
    assert (stored["template_version"], stored["recipient_count"]) == (1, 3)
    recipients = await kit.recipients(campaign["id"])
    assert sorted(row["language"] for row in recipients) == ["en", "fr", "fr"]
    assert {row["state"] for row in recipients} == {"queued"}
    links = await kit.ok("GET", f"/{campaign['id']}/links")
    assert [link["url"] for link in links] == [
        "https://shop.example.com/one",
        "https://shop.example.com/two?a=1&b=2",
        "https://shop.example.com/three",
    ]
    (event,) = await kit.published("campaign.campaign.started.v1")
    assert event["subject"] == campaign["id"]


async def test_a_forced_language_is_everyones(kit: Kit) -> None:
    await kit.add_contacts(2, language="en")
    campaign = await kit.create(language="fr")
    await kit.ok("POST", f"/{campaign['id']}/send")
    assert {row["language"] for row in await kit.recipients(campaign["id"])} == {"fr"}


async def test_sending_twice_is_a_conflict_but_a_repeated_request_is_not(kit: Kit) -> None:
    await kit.add_contacts(1)
    campaign = await kit.create()
    path, headers = f"/{campaign['id']}/send", kit.headers() | {"Idempotency-Key": "k1"}
    headers_again = dict(headers)
    first = await kit.campaigns("POST", path, headers=headers)
    again = await kit.campaigns("POST", path, headers=headers_again)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json()["data"] == first.json()["data"]
    other = await kit.campaigns("POST", path)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "CAMPAIGN_STATE")
    assert len(await kit.recipients(campaign["id"])) == 1


async def test_nobody_to_send_to_is_a_conflict_that_changes_nothing(kit: Kit) -> None:
    await kit.add_contacts(2, status="unsubscribed")
    (contact,) = await kit.add_contacts(1, prefix="s")
    await suppress(kit, "s1@example.com")
    campaign = await kit.create()
    answer = await kit.campaigns("POST", f"/{campaign['id']}/send")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "EMPTY_AUDIENCE")
    assert (await kit.ok("GET", f"/{campaign['id']}"))["status"] == "draft"
    assert await kit.recipients(campaign["id"]) == []
    assert contact


async def test_a_tag_that_went_missing_stops_the_start(kit: Kit) -> None:
    await kit.add_contacts(1)
    await kit.add_tags("never")
    campaign = await kit.create(exclude_tags=["never"])
    await kit.execute("DELETE FROM tag WHERE tenant_id = $1", kit.tenant)
    answer = await kit.campaigns("POST", f"/{campaign['id']}/send")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "UNKNOWN_TAGS")


async def test_pause_resume_and_cancel(kit: Kit) -> None:
    campaign_id = await kit.started(3)
    assert (await kit.ok("POST", f"/{campaign_id}/pause"))["status"] == "paused"
    assert (await kit.campaigns("POST", f"/{campaign_id}/pause")).status_code == 409
    assert (await kit.ok("POST", f"/{campaign_id}/resume"))["status"] == "sending"
    await set_states(kit, campaign_id, "accepted", "queued", "failed_retry")
    cancelled = await kit.ok("POST", f"/{campaign_id}/cancel")
    assert cancelled["status"] == "cancelled"
    assert cancelled["completed_at"] is not None
    states = [row["state"] for row in await kit.recipients(campaign_id)]
    assert states == ["accepted", "cancelled", "cancelled"]
    assert (await kit.campaigns("POST", f"/{campaign_id}/resume")).status_code == 409


async def test_resuming_leaves_out_who_was_suppressed_meanwhile(kit: Kit) -> None:
    campaign_id = await kit.started(3)
    await kit.ok("POST", f"/{campaign_id}/pause")
    first = (await kit.recipients(campaign_id))[0]
    await suppress(kit, first["email"])
    await kit.ok("POST", f"/{campaign_id}/resume")
    states = {
        row["contact_id"]: (row["state"], row["skip_reason"]) for row in await kit.recipients(campaign_id)
    }
    assert states.pop(first["contact_id"]) == ("skipped", "manual")
    assert set(states.values()) == {("queued", None)}
    assert await kit.counts(campaign_id) == {"skipped": 1}


async def test_who_has_moved_gets_the_mail_at_the_new_address(kit: Kit) -> None:
    campaign_id = await kit.started(2)
    await kit.ok("POST", f"/{campaign_id}/pause")
    moved, suppressed = await kit.recipients(campaign_id)
    await suppress(kit, "gone@example.com")
    for person, address in ((moved, "new@example.com"), (suppressed, "gone@example.com")):
        path = f"/api/v2/contacts/{kit.tenant}/{person['contact_id']}"
        assert (await kit.request("PUT", path, json={"email": address})).is_success
    await kit.ok("POST", f"/{campaign_id}/resume")
    rows = {row["email"]: row["state"] for row in await kit.recipients(campaign_id)}
    assert rows == {"new@example.com": "queued", "gone@example.com": "skipped"}


@pytest.mark.parametrize(
    ("states", "status", "failed"),
    [
        (("accepted", "delivered", "bounced_hard"), "sent", 0),
        (("accepted", "failed", "skipped"), "partially_failed", 1),
        (("accepted", "ambiguous", "complained"), "partially_failed", 1),
    ],
)
async def test_a_campaign_is_over_when_every_recipient_is(
    kit: Kit, states: tuple[str, ...], status: str, failed: int
) -> None:
    campaign_id = await kit.accepted(3)
    await kit.execute(
        "UPDATE campaign_recipient SET skip_reason = 'manual' WHERE tenant_id = $1 AND campaign_id = $2",
        kit.tenant,
        campaign_id,
    )
    await set_states(kit, campaign_id, *states)
    assert await finish(kit, campaign_id)
    campaign = await kit.ok("GET", f"/{campaign_id}")
    assert (campaign["status"], campaign["completed_at"] is None) == (status, False)
    (event,) = await kit.published("campaign.campaign.completed.v1")
    assert event["data"]["failed"] == failed
    assert not await finish(kit, campaign_id)


@pytest.mark.parametrize("state", ["queued", "leased", "attempting", "failed_retry"])
async def test_a_campaign_is_not_over_while_one_waits(kit: Kit, state: str) -> None:
    campaign_id = await kit.started(2)
    await set_states(kit, campaign_id, "accepted", state)
    assert not await finish(kit, campaign_id)
    assert (await kit.ok("GET", f"/{campaign_id}"))["status"] == "sending"


async def test_retry_takes_the_failed_and_on_request_the_ambiguous(kit: Kit) -> None:
    campaign_id = await kit.started(3)
    await set_states(kit, campaign_id, "failed", "ambiguous", "accepted")
    await kit.execute(
        """INSERT INTO campaign_stats (tenant_id, campaign_id, day, failed, ambiguous)
           VALUES ($1, $2, $3, 1, 1)""",
        kit.tenant,
        campaign_id,
        kit.clock.now().date(),
    )
    await finish(kit, campaign_id)
    answer = await kit.campaigns("POST", f"/{campaign_id}/retry-failed")
    assert (answer.status_code, answer.json()["data"]["requeued"]) == (202, 1)
    assert await kit.counts(campaign_id) == {"ambiguous": 1}
    await set_states(kit, campaign_id, "accepted", "ambiguous", "accepted")
    await finish(kit, campaign_id)
    answer = await kit.campaigns("POST", f"/{campaign_id}/retry-failed")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "NOTHING_TO_RETRY")
    data = await kit.ok("POST", f"/{campaign_id}/retry-failed", json={"include_ambiguous": True})
    assert (data["requeued"], data["status"]) == (1, "sending")
    retried = (await kit.recipients(campaign_id))[1]
    assert (retried["state"], retried["possible_repeats"]) == ("queued", 1)
    assert await kit.counts(campaign_id) == {"repeats": 1}


async def test_schedules_lie_in_the_future_and_can_be_taken_away(kit: Kit) -> None:
    campaign = await kit.create()
    path = f"/{campaign['id']}/schedule"
    assert (await kit.campaigns("POST", path)).status_code == 400
    past = (kit.clock.now() - timedelta(seconds=1)).isoformat()
    assert (await kit.campaigns("POST", path, json={"scheduled_at": past})).status_code == 400
    later = (kit.clock.now() + timedelta(hours=1)).isoformat()
    await kit.ok("POST", path, json={"scheduled_at": later})
    assert (await kit.campaigns("PUT", f"/{campaign['id']}", json={"scheduled_at": None})).status_code == 400
    taken = await kit.ok("POST", path, json={"scheduled_at": None})
    assert (taken["status"], taken["scheduled_at"]) == ("draft", None)


async def test_progress_counts_states_rate_and_time_left(kit: Kit) -> None:
    campaign_id = await kit.started(4)
    kit.clock.advance(100)
    rows = await kit.recipients(campaign_id)
    await kit.execute(
        """UPDATE campaign_recipient SET state = 'accepted', accepted_at = $3
           WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = ANY($4::uuid[])""",
        kit.tenant,
        campaign_id,
        kit.clock.now(),
        [row["contact_id"] for row in rows[:3]],
    )
    progress = await kit.ok("GET", f"/{campaign_id}/progress")
    assert (progress["total"], progress["done"], progress["percent"]) == (4, 3, 75.0)
    assert progress["states"] == {"accepted": 3, "queued": 1}
    assert (progress["rate"], progress["eta_seconds"]) == (0.3, 3)


async def test_recipients_are_listed_filtered_paged_and_exported(kit: Kit) -> None:
    campaign_id = await kit.started(5)
    await set_states(kit, campaign_id, "accepted", "queued", "failed", "queued", "queued")
    await kit.execute(
        "UPDATE campaign_recipient SET last_detail = '=cmd|calc' WHERE tenant_id = $1 AND state = 'failed'",
        kit.tenant,
    )
    first = (await kit.campaigns("GET", f"/{campaign_id}/recipients", params={"limit": 3})).json()
    second = (
        await kit.campaigns(
            "GET", f"/{campaign_id}/recipients", params={"limit": 3, "cursor": first["meta"]["next_cursor"]}
        )
    ).json()
    ids = [row["contact_id"] for row in first["data"] + second["data"]]
    assert ids == [str(row["contact_id"]) for row in await kit.recipients(campaign_id)]
    failed = await kit.ok("GET", f"/{campaign_id}/recipients", params={"state": "failed"})
    assert [row["state"] for row in failed] == ["failed"]
    export = await kit.campaigns("GET", f"/{campaign_id}/recipients.csv")
    lines = export.text.splitlines()
    assert export.headers["content-type"] == "text/csv; charset=utf-8"
    assert len(lines) == 6
    assert lines[0].startswith("contact_id,email,phone,language")
    assert "'=cmd|calc" in export.text


async def test_the_preview_is_the_mail_of_one_contact(kit: Kit) -> None:
    contacts = await kit.add_contacts(1, language="fr")
    campaign = await kit.create()
    preview = await kit.ok("GET", f"/{campaign['id']}/preview", params={"contact_id": str(contacts[0])})
    assert (preview["subject"], preview["language"]) == ("[fr] Hello Ann1", "fr")
    assert "https://shop.example.com/one" in preview["html"]
    english = await kit.ok("GET", f"/{campaign['id']}/preview", params={"language": "en"})
    assert english["subject"] == "[en] Hello Ann1"
    wrong = await kit.campaigns("GET", f"/{campaign['id']}/preview", params={"language": "es"})
    assert wrong.status_code == 400


async def test_test_mails_go_to_the_lane_of_single_messages(kit: Kit) -> None:
    contacts = await kit.add_contacts(1, language="fr")
    campaign = await kit.create(from_email="shop@example.com")
    body = {"to": ["a@example.com", "b@example.com"], "contact_id": str(contacts[0])}
    headers = kit.headers() | {"Idempotency-Key": "t1"}
    for _ in range(2):
        answer = await kit.campaigns("POST", f"/{campaign['id']}/test", json=body, headers=dict(headers))
        assert answer.status_code == 202
    rows = await kit.fetch("SELECT * FROM message WHERE tenant_id = $1 ORDER BY recipient_email", kit.tenant)
    assert [str(row["id"]) for row in rows] == answer.json()["data"]["message_ids"]
    assert [row["recipient_email"] for row in rows] == ["a@example.com", "b@example.com"]
    assert {(row["subject"], row["from_email"]) for row in rows} == {
        ("[Test] [fr] Hello Ann1", "shop@example.com")
    }
    assert await kit.recipients(campaign["id"]) == []
