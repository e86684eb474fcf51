"""Texts both ways: keywords, answers by hand, missed calls, leads, and single texts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.events.transports.base import GiveUp
from tests.simulators.twilio import call_form, inbound_form, report_form

from .campaigns_kit import Kit
from .sms_kit import NUMBER, Phones, open_phones

CALLER = "+12025550199"


@pytest.fixture
async def phones(lone_kit: Kit) -> AsyncIterator[Phones]:
    async with open_phones(lone_kit, text_back="Sorry we missed you. What is it about?") as opened:
        yield opened


async def hears(phones: Phones, sid: str, body: str, sender: str = CALLER, **more: Any) -> None:
    await phones.webhook(inbound_form(sid, body, sender=sender, to=NUMBER, **more))
    await phones.drain()


async def conversation(phones: Phones) -> Any:
    (found,) = await phones.get(f"/api/v2/conversations/{phones.kit.tenant}")
    return found


async def said(phones: Phones) -> list[tuple[str, str]]:
    """(direction, body) of the only conversation, the first first."""
    found = await conversation(phones)
    rows = await phones.get(f"/api/v2/conversations/{phones.kit.tenant}/{found['id']}/messages")
    return [(row["direction"], row["body"]) for row in reversed(rows)]


async def suppressed(phones: Phones) -> list[tuple[str, str]]:
    rows = await phones.get(f"/api/v2/suppressions/{phones.kit.tenant}?channel=sms")
    return [(row["address"], row["reason"]) for row in rows]


async def test_an_answer_opens_a_conversation_with_what_it_answers(phones: Phones) -> None:
    _, ann = await phones.person(first_name="Ann")
    await phones.campaign()
    await phones.drain()
    await hears(phones, "SMin1", "How much is it?", ann)
    await hears(phones, "SMin1", "How much is it?", ann)
    assert await said(phones) == [
        ("outbound", "Hello Ann. Reply STOP to end"),
        ("inbound", "How much is it?"),
    ]
    found = await conversation(phones)
    assert (found["customer_phone"], found["business_phone"], found["status"]) == (ann, NUMBER, "open")
    assert found["contact_id"] is not None


async def test_somebody_answers_by_hand_from_the_same_number(phones: Phones) -> None:
    await phones.set_up(numbers=[{"number": "+15005550001"}, {"number": NUMBER}])
    await hears(phones, "SMin1", "Hello?")
    found = await conversation(phones)
    path = f"/api/v2/conversations/{phones.kit.tenant}/{found['id']}/messages"
    headers = phones.kit.headers() | {"Idempotency-Key": "answer-1"}
    for _ in range(2):
        answer = await phones.kit.request("POST", path, json={"body": "Yes?"}, headers=headers)
        assert answer.status_code == 202, answer.text
    await phones.drain()
    assert [(t.sender, t.to, t.body) for t in phones.twilio.texts] == [(NUMBER, CALLER, "Yes?")]
    await phones.webhook(report_form(phones.twilio.texts[0].sid, "delivered", to=CALLER, sender=NUMBER))
    (latest, _) = await phones.get(path)
    assert (latest["status"], latest["segments"], latest["price_micros"]) == ("delivered", 1, 8000)
    assert (await conversation(phones))["status"] == "waiting"


@pytest.mark.parametrize(
    ("word", "answer"),
    [("STOP", "You are"), ("Arrêt", "Vous êtes"), ("BAJA", "Se ha dado"), ("abmelden", "Sie sind")],
)
async def test_stop_is_obeyed_and_answered_once(phones: Phones, word: str, answer: str) -> None:
    _, ann = await phones.person()
    campaign = await phones.campaign()
    await hears(phones, "SMin1", word, ann)
    await hears(phones, "SMin2", "stop", ann)
    assert await suppressed(phones) == [(ann, "unsubscribed")]
    assert [body.startswith(answer) for body in phones.twilio.bodies(ann) if "Hello" not in body] == [True]
    found = await conversation(phones)
    assert found["status"] == "opted_out"
    path = f"/api/v2/conversations/{phones.kit.tenant}/{found['id']}/messages"
    refused = await phones.kit.request("POST", path, json={"body": "Please"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "OPTED_OUT")
    single = await phones.kit.request(
        "POST",
        f"/api/v2/messages/{phones.kit.tenant}",
        json={"channel": "sms", "to": {"phone": ann}, "text": "Hi"},
    )
    assert single.json()["data"]["state"] == "skipped"
    assert (await phones.states(campaign))[ann] in ("skipped", "accepted")


async def test_start_brings_back_who_stopped_and_nobody_else(phones: Phones) -> None:
    await hears(phones, "SMin1", "STOP")
    await hears(phones, "SMin2", "START")
    assert await suppressed(phones) == []
    assert [body for _, body in await said(phones)][-1].startswith("You will get our texts again")
    path = f"/api/v2/suppressions/{phones.kit.tenant}"
    await phones.kit.request("POST", path, json={"address": CALLER, "channel": "sms"})
    await hears(phones, "SMin3", "start")
    assert await suppressed(phones) == [(CALLER, "manual")]


async def test_help_is_answered_with_the_tenants_own_words(phones: Phones) -> None:
    await phones.set_up(help_text="Tidings Photos. Call us.")
    await hears(phones, "SMin1", "HELP")
    await hears(phones, "SMin2", "help")
    assert phones.twilio.bodies(CALLER) == ["Tidings Photos. Call us."]


async def test_what_the_provider_answered_is_not_answered_again(phones: Phones) -> None:
    await hears(phones, "SMin1", "QUIT IT", opt_out_type="STOP")
    assert (await suppressed(phones), phones.twilio.texts) == ([(CALLER, "unsubscribed")], [])


async def test_a_missed_call_opens_a_lead_and_is_answered_by_a_text(phones: Phones) -> None:
    for status in ("ringing", "no-answer", "no-answer"):
        await phones.webhook(call_form("CA1", status, caller=CALLER, to=NUMBER))
    await phones.webhook(call_form("CA2", "busy", caller=CALLER, to=NUMBER))
    await phones.webhook(call_form("CA1", "ringing", caller=CALLER, to=NUMBER))
    await phones.drain()
    assert phones.twilio.bodies(CALLER) == ["Sorry we missed you. What is it about?"]
    (lead,) = await phones.get(f"/api/v2/leads/{phones.kit.tenant}")
    assert (lead["customer_phone"], lead["source"], lead["status"]) == (CALLER, "missed_call", "new")
    found = await conversation(phones)
    detail = await phones.get(f"/api/v2/conversations/{phones.kit.tenant}/{found['id']}")
    assert [call["status"] for call in detail["calls"]] == ["missed", "missed"]
    assert detail["lead_id"] == lead["id"]
    await hears(phones, "SMin1", "My heating is broken")
    (lead,) = await phones.get(f"/api/v2/leads/{phones.kit.tenant}?status=new")
    assert lead["problem_description"] == "My heating is broken"


async def test_an_answered_call_is_only_noted(phones: Phones) -> None:
    for status in ("ringing", "in-progress", "completed"):
        await phones.webhook(call_form("CA1", status, caller=CALLER, to=NUMBER, duration=42))
    await phones.drain()
    assert await phones.get(f"/api/v2/leads/{phones.kit.tenant}") == []
    assert phones.twilio.texts == []


async def test_an_answered_call_belongs_to_the_conversation_there_is(phones: Phones) -> None:
    await hears(phones, "SMin1", "Please call me")
    for status in ("ringing", "in-progress", "completed"):
        await phones.webhook(call_form("CA1", status, caller=CALLER, to=NUMBER, duration=42))
    found = await conversation(phones)
    detail = await phones.get(f"/api/v2/conversations/{phones.kit.tenant}/{found['id']}")
    assert [(call["status"], call["duration"]) for call in detail["calls"]] == [("completed", 42)]
    assert await phones.get(f"/api/v2/leads/{phones.kit.tenant}") == []


async def test_a_conversation_is_closed_until_something_is_said(phones: Phones) -> None:
    await hears(phones, "SMin1", "Thank you, that is all")
    found = await conversation(phones)
    path = f"/api/v2/conversations/{phones.kit.tenant}/{found['id']}"
    closed = await phones.kit.request("PATCH", path, json={"status": "closed"})
    assert closed.json()["data"]["status"] == "closed"
    assert closed.json()["data"]["last_message_at"] == found["last_message_at"]
    assert await phones.get(f"/api/v2/conversations/{phones.kit.tenant}?status=open") == []
    await hears(phones, "SMin2", "One more thing")
    assert (await conversation(phones))["status"] == "open"
    await hears(phones, "SMin3", "STOP")
    refused = await phones.kit.request("PATCH", path, json={"status": "open"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "OPTED_OUT")
    assert (await conversation(phones))["status"] == "opted_out"


async def test_leads_move_on(phones: Phones) -> None:
    await phones.webhook(call_form("CA1", "no-answer", caller=CALLER, to=NUMBER))
    (lead,) = await phones.get(f"/api/v2/leads/{phones.kit.tenant}")
    path = f"/api/v2/leads/{phones.kit.tenant}/{lead['id']}"
    won = await phones.kit.request("PATCH", path, json={"status": "won", "estimated_value": 120_000})
    assert (won.json()["data"]["status"], won.json()["data"]["estimated_value"]) == ("won", 120_000)
    await phones.webhook(call_form("CA2", "no-answer", caller=CALLER, to=NUMBER))
    assert len(await phones.get(f"/api/v2/leads/{phones.kit.tenant}")) == 2
    again = await phones.kit.request("PATCH", path, json={"status": "contacted"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "LEAD_UNDER_WAY")


async def test_a_single_text_from_the_queue_to_the_handset(phones: Phones) -> None:
    path = f"/api/v2/messages/{phones.kit.tenant}"
    body = {
        "channel": "sms",
        "to": {"phone": "(202) 555-0143", "name": "Ann Berg"},
        "text": "Hi {{ first_name }}, your code is {{ pin }}",
        "variables": {"pin": "1234"},
    }
    answer = await phones.kit.request("POST", path, json=body)
    assert answer.status_code == 202, answer.text
    message = answer.json()["data"]
    assert (message["to"], message["state"], message["channel"]) == ("+12025550143", "queued", "sms")
    await phones.drain()
    assert phones.twilio.bodies("+12025550143") == ["Hi Ann, your code is 1234"]
    assert (await phones.get(f"{path}/{message['id']}"))["state"] == "accepted"
    sid = phones.twilio.texts[0].sid
    await phones.webhook(report_form(sid, "delivered", to="+12025550143", sender=NUMBER))
    assert (await phones.get(f"{path}/{message['id']}"))["state"] == "delivered"


@pytest.mark.parametrize(
    "body",
    [
        {"to": {"email": "a@example.com"}, "text": "Hi"},
        {"to": {"phone": "+12025550143"}},
        {"to": {"phone": "+12025550143"}, "text": "Hi", "subject": "Hi"},
        {"to": {"phone": "nonsense"}, "text": "Hi"},
    ],
)
async def test_a_single_text_needs_a_number_and_words(phones: Phones, body: dict[str, Any]) -> None:
    path = f"/api/v2/messages/{phones.kit.tenant}"
    answer = await phones.kit.request("POST", path, json={"channel": "sms", **body})
    assert answer.status_code in (400, 422)


async def test_webhooks_of_another_account_are_refused(phones: Phones) -> None:
    form = inbound_form("SMin1", "STOP", sender=CALLER, to=NUMBER) | {"AccountSid": "AC" + "f" * 32}
    outcome = await phones.webhook(form)
    assert isinstance(outcome, GiveUp)
    assert await suppressed(phones) == []


async def test_the_token_is_kept_and_never_shown(phones: Phones) -> None:
    path = f"/api/v2/sending/{phones.kit.tenant}/sms"
    shown = await phones.kit.request("GET", path)
    assert "invented token" not in shown.text
    assert shown.json()["data"]["has_auth_token"]
    await phones.set_up(auth_token=None)
    await hears(phones, "SMin1", "HELP")
    assert len(phones.twilio.texts) == 1
    (row,) = await phones.kit.fetch(
        "SELECT auth_token FROM sms_account WHERE tenant_id = $1", phones.kit.tenant
    )
    assert b"invented" not in row["auth_token"]
    for role in ("viewer", "operator"):
        answer = await phones.kit.request("GET", path, headers=phones.kit.headers(role))
        assert answer.status_code == 403
