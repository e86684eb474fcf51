import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import dkim  # type: ignore[import-untyped]
import httpx
import pytest
from fastapi import FastAPI

from campaign_service.messages import repository, worker
from campaign_service.settings import Settings
from campaign_service.suppressions import repository as suppressions
from campaign_service.suppressions.repository import NewSuppression
from shared.database import SimpleDatabase
from shared.testing import TokenMint

from .messages_kit import Mailbox, Messages


@pytest.fixture
async def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
async def settings(tmp_path: Path, mailbox: Mailbox) -> AsyncIterator[Settings]:
    async with mailbox.open() as port:
        yield Settings(
            python_env="test",
            data_dir=tmp_path / "data",
            events_url="postgres://",
            smtp_url=f"smtp://127.0.0.1:{port}",
            mail_domain="mail.test",
        )


@pytest.fixture
def messages(client: httpx.AsyncClient, tenant_a: UUID, headers: dict[str, str]) -> Messages:
    return Messages(client, tenant_a, headers)


async def test_a_message_is_rendered_sent_and_reported(messages: Messages, mailbox: Mailbox) -> None:
    queued = await messages.send(
        subject="Receipt {{ order }} für {{ first_name }}",
        html="<p>Total {{ total }} & <b>{{ note }}</b></p>",
        text=None,
        variables={"order": "Ä-17\r\nBcc: eve@example.com", "total": 12.5, "note": "<script>"},
        reply_to="help@example.com",
        from_name="Shop",
        from_email="shop@example.com",
    )
    assert (queued["state"], queued["attempts"]) == ("queued", 0)
    done = await messages.until(queued["id"], "accepted")
    assert (done["last_code"], done["attempts"]) == ("2.0.0", 1)
    (mail,) = mailbox.mails
    assert mail["Subject"] == "Receipt Ä-17 Bcc: eve@example.com für Anna"
    assert (mail["Bcc"], str(mail["To"])) == (None, "Anna Berg <anna@example.com>")
    assert str(mail["From"]) == "Shop <shop@example.com>"
    assert str(mail["Reply-To"]) == "help@example.com"
    html = mail.get_body(("html",))
    text = mail.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert "&lt;script&gt;" in html.get_content()
    assert "Total 12.5" in text.get_content()
    identity = f"m-{UUID(queued['id']).hex}@mail.test"
    assert (mail["Message-ID"], mail["X-Envid"]) == (f"<{identity}>", identity.partition("@")[0])
    assert mailbox.envelopes[0].mail_from == identity


async def test_what_is_known_of_the_contact_fills_the_template(messages: Messages, mailbox: Mailbox) -> None:
    client, headers = messages.client, messages.headers
    contact = {"email": "zoe@example.com", "first_name": "Zoé", "custom_fields": {"town": "Ghent"}}
    await client.post("/api/v2/contacts", json=contact, headers=headers)
    contents = {
        "en": {"subject": "Hi {{ first_name }}", "html": "<p>{{ contact.custom.town }} {{ code }}</p>"},
        "fr": {"subject": "Salut {{ first_name }}", "html": "<p>{{ contact.custom.town }} {{ code }}</p>"},
    }
    template = await client.post(
        "/api/v2/templates", json={"name": "T", "contents": contents}, headers=headers
    )
    queued = await messages.send(
        to={"email": "zoe@example.com", "language": "fr-CA"},
        template_id=template.json()["data"]["id"],
        variables={"code": "<1>"},
    )
    assert (queued["subject"], queued["language"], queued["template"]) == ("Salut Zoé", "fr", "T")
    assert "Ghent &lt;1&gt;" in (await messages.get(queued["id"]))["html"]


async def test_the_same_idempotency_key_sends_once(messages: Messages, mailbox: Mailbox) -> None:
    body = {"to": {"email": "a@example.com"}, "subject": "Hi", "text": "Hello"}
    first = await messages.post("k1", **body)
    again = await messages.post("k1", **body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json()["data"]["id"] == first.json()["data"]["id"]
    assert (await messages.post("k1", **{**body, "text": "other"})).status_code == 422
    await messages.until(first.json()["data"]["id"], "accepted")
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize(
    ("reason", "scope", "transactional"),
    [("unsubscribed", "marketing", "accepted"), ("hard_bounce", "all", "skipped")],
)
async def test_marketing_stops_at_any_suppression_and_transactional_mail_at_those_of_all(
    messages: Messages, db: SimpleDatabase, tenant_a: UUID, reason: str, scope: str, transactional: str
) -> None:
    async with db.tenant_tx(tenant_a) as tx:
        await suppressions.add_many(tx, tenant_a, [NewSuppression("anna@example.com", reason, scope=scope)])
    held = await messages.send(purpose="marketing")
    assert (held["state"], held["skip_reason"]) == ("skipped", reason)
    sent = await messages.send()
    assert (await messages.until(sent["id"], "accepted", "skipped"))["state"] == transactional


async def test_marketing_can_be_ended_by_one_click(
    messages: Messages, mailbox: Mailbox, db: SimpleDatabase, tenant_a: UUID
) -> None:
    words = {"html": "<a href='{{ unsubscribe_url }}'>Stop</a>", "text": "x"}
    for purpose in ("marketing", "transactional"):
        await messages.until((await messages.send(purpose=purpose, **words))["id"], "accepted")
    mail, plain = mailbox.mails
    assert (plain["List-Unsubscribe"], plain["List-Unsubscribe-Post"]) == (None, None)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    [address] = re.findall("<(http[^>]+)>", mail["List-Unsubscribe"])
    html = mail.get_body(("html",))
    assert html is not None
    assert f"href='{address}'" in html.get_content()
    path = urlsplit(address).path
    assert "a***@example.com" in (await messages.client.get(path)).text
    async with db.tenant_tx(tenant_a) as tx:
        assert await suppressions.suppressed_reason(tx, tenant_a, "anna@example.com") is None
    for _ in range(2):
        assert (await messages.client.post(path, content=b"List-Unsubscribe=One-Click")).status_code == 200
    held = await messages.send(purpose="marketing")
    assert (held["state"], held["skip_reason"]) == ("skipped", "unsubscribed")


async def test_who_asks_for_no_more_while_a_mail_waits_does_not_get_it(
    messages: Messages, mailbox: Mailbox, db: SimpleDatabase, tenant_a: UUID
) -> None:
    mailbox.replies = ["451 4.7.1 later"]
    queued = await messages.send(purpose="marketing")
    await messages.until(queued["id"], "failed_retry")
    async with db.tenant_tx(tenant_a) as tx:
        await suppressions.add_many(tx, tenant_a, [NewSuppression("anna@example.com", "unsubscribed")])
    await db.query("UPDATE message SET next_attempt_at = now()", tenant_id=tenant_a)
    held = await messages.until(queued["id"], "skipped", "accepted")
    assert (held["state"], held["skip_reason"], mailbox.mails) == ("skipped", "unsubscribed", [])


async def test_a_deferred_message_is_tried_again(
    messages: Messages, mailbox: Mailbox, db: SimpleDatabase, tenant_a: UUID
) -> None:
    mailbox.replies = ["451 4.7.1 later"]
    queued = await messages.send()
    waiting = await messages.until(queued["id"], "failed_retry")
    assert (waiting["attempts"], waiting["last_code"]) == (1, "4.7.1")
    assert waiting["next_attempt_at"] is not None
    await db.query("UPDATE message SET next_attempt_at = now()", tenant_id=tenant_a)
    done = await messages.until(queued["id"], "accepted")
    assert (done["attempts"], done["possible_repeats"]) == (2, 0)
    assert mailbox.mails[0]["X-Tidings-Repeat"] is None


async def test_an_unknown_mailbox_bounces_and_is_suppressed(
    messages: Messages, mailbox: Mailbox, app: FastAPI, db: SimpleDatabase, tenant_a: UUID
) -> None:
    await app.state.runtime.events._relay.stop()
    mailbox.rcpt_reply = "550 5.1.1 no such user"
    queued = await messages.send()
    await messages.until(queued["id"], "bounced_hard")
    async with db.tenant_tx(tenant_a) as tx:
        assert await suppressions.suppressed_reason(tx, tenant_a, "anna@example.com") == "hard_bounce"
    (event,) = await db.query("SELECT * FROM outbox WHERE type LIKE 'campaign.message%'", tenant_id=tenant_a)
    assert event["type"] == "campaign.message.bounced.v1"
    assert (event["data"]["kind"], event["data"]["status"]) == ("hard", "5.1.1")


async def test_a_refused_message_fails_for_good(messages: Messages, mailbox: Mailbox) -> None:
    mailbox.replies = ["554 5.7.1 refused by policy"]
    queued = await messages.send()
    failed = await messages.until(queued["id"], "failed")
    assert (failed["last_code"], failed["next_attempt_at"]) == ("5.7.1", None)


async def test_a_claim_of_a_dead_worker_is_sent_again_and_says_so(
    messages: Messages, mailbox: Mailbox, app: FastAPI, db: SimpleDatabase, tenant_a: UUID
) -> None:
    mailbox.replies = ["451 4.3.0 wait"]
    queued = await messages.send()
    await messages.until(queued["id"], "failed_retry")
    await db.query(
        """UPDATE message SET state = 'attempting', lease_token = $1,
           lease_until = now() - interval '1 second', next_attempt_at = now() - interval '1 second'""",
        [uuid4()],
        tenant_id=tenant_a,
    )
    done = await messages.until(queued["id"], "accepted")
    assert done["possible_repeats"] == 1
    assert mailbox.mails[0]["X-Tidings-Repeat"] == "1"
    assert mailbox.mails[0]["Message-ID"] == f"<m-{UUID(queued['id']).hex}@mail.test>"


async def test_an_outcome_that_comes_too_late_is_not_written(db: SimpleDatabase, tenant_a: UUID) -> None:
    async with db.tenant_tx(tenant_a) as tx:
        values = {
            "id": uuid4(),
            "recipient_email": "a@example.com",
            "from_email": "b@example.com",
            "subject": "s",
        }
        assert await repository.insert(tx, tenant_a, values)
    async with db.system_tx() as tx:
        late = await repository.claim(tx, uuid4(), 0.0)
    async with db.system_tx() as tx:
        taken_over = await repository.claim(tx, uuid4(), 60.0)
    assert late is not None
    assert taken_over is not None
    async with db.tenant_tx(tenant_a) as tx:
        assert not await repository.record(tx, late, "failed", None, None)
        assert await repository.record(tx, taken_over, "accepted", "2.0.0", "ok")
    async with db.system_tx() as tx:
        assert await repository.claim(tx, uuid4(), 60.0) is None


async def test_a_tenant_with_many_messages_does_not_hold_up_another(
    db: SimpleDatabase, tenant_a: UUID, tenant_b: UUID
) -> None:
    for tenant, count in ((tenant_a, 200), (tenant_b, 2)):
        async with db.tenant_tx(tenant) as tx:
            for _ in range(count):
                values = {
                    "id": uuid4(),
                    "recipient_email": "a@example.com",
                    "from_email": "b@example.com",
                    "subject": "s",
                }
                await repository.insert(tx, tenant, values)
    served = []
    for _ in range(60):
        async with db.system_tx() as tx:
            claimed = await repository.claim(tx, uuid4(), 60.0)
        assert claimed is not None
        served.append(claimed.tenant_id)
    assert served.count(tenant_b) == 2


async def test_wrong_messages_are_refused(messages: Messages) -> None:
    bodies: list[dict[str, Any]] = [
        {},
        {"to": {"email": "nobody"}, "subject": "s", "text": "t"},
        {"to": {"email": "a@example.com"}, "subject": "s"},
        {"to": {"email": "a@example.com"}, "text": "t"},
        {"to": {"email": "a@example.com"}, "subject": "a\r\nBcc: b@example.com", "text": "t"},
        {"to": {"email": "a@example.com"}, "subject": "s", "text": "t", "template_id": str(uuid4())},
        {"to": {"email": "a@example.com"}, "subject": "s", "text": "t", "purpose": "fun"},
        {"to": {"email": "a@example.com"}, "subject": "s", "text": "t", "from_email": "x"},
    ]
    for body in bodies:
        assert (await messages.post(**body)).status_code == 422, body


async def test_contents_that_cannot_be_made_are_refused(messages: Messages) -> None:
    to = {"email": "a@example.com"}
    broken = await messages.post(to=to, subject="s", text="{% if %}")
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, "TEMPLATE_SYNTAX_ERROR")
    failing = await messages.post(to=to, subject="s", text="{{ n | divided_by: 0 }}", variables={"n": 1})
    assert (failing.status_code, failing.json()["error"]["code"]) == (400, "RENDERING_FAILED")
    unknown = await messages.post(to=to, template_id=str(uuid4()))
    assert unknown.status_code == 404
    odd = await messages.post(to=to, subject="s", text="{{ x }}", variables={"x": "a\u0000b"})
    assert odd.status_code == 202


async def test_messages_are_a_tenants_own_and_need_a_role(
    messages: Messages, mint: TokenMint, tenant_a: UUID, tenant_b: UUID
) -> None:
    made = await messages.send()
    body = {"to": {"email": "a@example.com"}, "subject": "s", "text": "t"}
    stranger, viewer = mint.headers(tenant_b), mint.headers(tenant_a, "viewer")
    client = messages.client
    for method, path, content in (("GET", "", None), ("GET", f"/{made['id']}", None), ("POST", "", body)):
        ours = messages.base + path
        assert (await client.request(method, ours, json=content, headers=stranger)).status_code == 404
        answer = await client.request(method, ours, json=content, headers=viewer)
        assert answer.status_code == (200 if method == "GET" else 403)
        assert (await client.request(method, ours, json=content)).status_code == 401
    theirs = await client.get(f"/api/v2/messages/{tenant_b}/{made['id']}", headers=stranger)
    assert theirs.status_code == 404
    assert (await client.get(f"/api/v2/messages/{tenant_b}", headers=stranger)).json()["data"] == []
    listed = await client.get(messages.base, params={"to": "ANNA@example.com"}, headers=viewer)
    assert [row["id"] for row in listed.json()["data"]] == [made["id"]]


def test_the_lease_outlasts_the_longest_attempt() -> None:
    timeouts = worker._TIMEOUTS
    # connect, greeting, EHLO, MAIL, RCPT, DATA and the content, at their slowest
    longest = timeouts.connect + timeouts.greeting + 4 * timeouts.command + timeouts.content
    assert longest < worker._LEASE_SECONDS


async def test_a_mail_is_signed_by_the_domain_of_its_sender(
    messages: Messages, mailbox: Mailbox, tenant_a: UUID
) -> None:
    made = await messages.client.post(
        f"/api/v2/sending/{tenant_a}/domains",
        json={"domain": "example.com", "sign": "always"},
        headers=messages.headers,
    )
    records = {key["record"]["name"]: key["record"]["value"].encode() for key in made.json()["data"]["keys"]}
    signed = await messages.send(
        from_email="zoé@news.example.com", from_name="Zoé, Ltd.", html="<p>Ünïcödé</p>\n.\n..two  x"
    )
    plain = await messages.send(from_email="shop@example.org")
    for message in (signed, plain):
        await messages.until(message["id"], "accepted")
    contents = {envelope.mail_from: envelope.content for envelope in mailbox.envelopes}
    mail = contents[f"m-{UUID(signed['id']).hex}@mail.test"]
    assert mail.count(b"DKIM-Signature:") == 2
    for number in range(2):
        assert dkim.DKIM(mail).verify(
            idx=number, dnsfunc=lambda name, timeout=5: records.get(name.decode().rstrip("."))
        )
    assert b"DKIM-Signature:" not in contents[f"m-{UUID(plain['id']).hex}@mail.test"]


async def test_an_address_beyond_ascii_goes_where_the_server_takes_it(
    messages: Messages, mailbox: Mailbox
) -> None:
    taken = await messages.send(to={"email": "zoé@example.com", "name": "Zoé"})
    await messages.until(taken["id"], "accepted")
    assert (mailbox.envelopes[0].rcpt_tos, mailbox.envelopes[0].smtp_utf8) == (["zoé@example.com"], True)


async def test_an_address_beyond_ascii_fails_for_good_where_the_server_does_not_take_it(
    messages: Messages, mailbox: Mailbox
) -> None:
    mailbox.utf8 = False
    refused = await messages.send(to={"email": "zoé@example.com"})
    failed = await messages.until(refused["id"], "failed")
    assert (failed["last_code"], failed["next_attempt_at"]) == ("5.6.7", None)
    assert mailbox.mails == []
