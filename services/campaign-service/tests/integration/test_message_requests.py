"""Mails that other services ask for by event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from campaign_service.messages.builtin import BUILTIN
from campaign_service.settings import Settings
from campaign_service.suppressions import repository as suppressions
from campaign_service.suppressions.repository import NewSuppression
from shared.database import SimpleDatabase
from shared.events import new_event

from .messages_kit import Mailbox, Messages, until


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


def requested(tenant: UUID, template: str, key: str, **recipient: Any) -> Any:
    data = {
        "template": template,
        "recipient": {"email": "anna@example.com", "name": "Anna", **recipient},
        "variables": {"url": "https://app.example.com/verify#token=a.b-c_d~e", "name": "Anna <3"},
        "idempotency_key": key,
    }
    return new_event("message.requested.v1", data, tenant_id=tenant)


async def test_built_in_mails_carry_name_and_link(
    app: FastAPI, messages: Messages, mailbox: Mailbox, db: SimpleDatabase, tenant_a: UUID
) -> None:
    wanted = {(name, language): c for name, contents in BUILTIN.items() for language, c in contents.items()}
    async with db.tenant_tx(tenant_a) as tx:
        for name, language in wanted:
            event = requested(tenant_a, name, f"{name} {language}", language=language)
            await app.state.runtime.events.publish(tx, event)
    await until(lambda: len(mailbox.mails) == len(wanted))
    assert sorted(str(m["Subject"]) for m in mailbox.mails) == sorted(c.subject for c in wanted.values())
    for mail in mailbox.mails:
        html, text = mail.get_body(("html",)), mail.get_body(("plain",))
        assert html is not None
        assert text is not None
        assert 'href="https://app.example.com/verify#token=a.b-c_d~e"' in html.get_content()
        assert "Anna &lt;3" in html.get_content()
        assert "https://app.example.com/verify#token=a.b-c_d~e" in text.get_content()
        assert "Anna <3" in text.get_content()


async def test_a_requested_mail_is_from_whom_the_service_names(
    app: FastAPI, messages: Messages, mailbox: Mailbox, db: SimpleDatabase, tenant_a: UUID
) -> None:
    event = requested(tenant_a, "property.mail_test", "branded", language="fr")
    event.data["variables"] |= {"brand": {"name": "Vallon", "color": "#6c63ff", "accent": "#8b84ff"}}
    event.data["sender"] = {
        "email": "hello@vallon.example.com",
        "name": "Vallon",
        "reply_to": "b@example.com",
    }
    async with db.tenant_tx(tenant_a) as tx:
        await app.state.runtime.events.publish(tx, event)
    await until(lambda: bool(mailbox.mails))
    [mail] = mailbox.mails
    assert (mail["From"], mail["Reply-To"]) == ("Vallon <hello@vallon.example.com>", "b@example.com")
    assert mail["Subject"] == "Vallon : e-mail de test"


async def test_a_requested_mail_may_have_words_of_its_own(
    app: FastAPI, messages: Messages, mailbox: Mailbox, db: SimpleDatabase, tenant_a: UUID
) -> None:
    async with db.tenant_tx(tenant_a) as tx:
        for key, content in (
            ("own", {"subject": "For {{ name }}", "text": "Hi {{ name }}", "html": "<p>Hi {{ name }}</p>"}),
            ("empty", {"subject": "Nothing to say"}),
        ):
            event = requested(tenant_a, "", key)
            event.data["content"] = content
            await app.state.runtime.events.publish(tx, event)
    await until(lambda: bool(mailbox.mails))
    [mail] = mailbox.mails
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert mail["Subject"] == "For Anna <3"
    assert html.get_content().strip() == "<p>Hi Anna &lt;3</p>"
    assert text.get_content().strip() == "Hi Anna <3"


async def test_requests_with_one_key_are_sent_once(
    app: FastAPI, messages: Messages, mailbox: Mailbox, db: SimpleDatabase, tenant_a: UUID
) -> None:
    async with db.tenant_tx(tenant_a) as tx:
        for key in ("same", "same", "other"):
            event = requested(tenant_a, "auth.verify_email", key, language="xx")
            await app.state.runtime.events.publish(tx, event)
    await until(lambda: len(mailbox.mails) == 2)
    rows = await db.query("SELECT idempotency_key, language FROM message", tenant_id=tenant_a)
    assert sorted((row["idempotency_key"], row["language"]) for row in rows) == [
        ("other", "en"),
        ("same", "en"),
    ]


async def test_a_suppression_holds_back_what_services_ask_for_but_mails_of_the_account(
    app: FastAPI, messages: Messages, mailbox: Mailbox, db: SimpleDatabase, tenant_a: UUID
) -> None:
    async with db.tenant_tx(tenant_a) as tx:
        await suppressions.add_many(tx, tenant_a, [NewSuppression("anna@example.com", "complaint")])
        for service in ("property", "auth"):
            event = requested(tenant_a, "auth.password_reset", service)
            await app.state.runtime.events.publish(tx, replace(event, source=f"/{service}-service"))
    states: dict[str, str] = {}
    async with asyncio.timeout(30):
        while len(states) < 2 or {"queued", "attempting"} & set(states.values()):
            rows = await db.query("SELECT idempotency_key AS key, state FROM message", tenant_id=tenant_a)
            states = {row["key"]: row["state"] for row in rows}
            await asyncio.sleep(0.05)
    assert states == {"property": "skipped", "auth": "accepted"}
    assert len(mailbox.mails) == 1


async def test_files_come_with_a_request_or_by_their_id(
    app: FastAPI, messages: Messages, mailbox: Mailbox, db: SimpleDatabase, tenant_a: UUID
) -> None:
    upload = await messages.client.post(
        f"/api/v2/attachments/{tenant_a}", files={"file": ("kept.txt", b"kept")}, headers=messages.headers
    )
    data = {
        "template": "",
        "recipient": {"email": "anna@example.com"},
        "content": {"subject": "Hi", "text": "Hello"},
        "idempotency_key": "with files",
        "attachments": [{"id": upload.json()["data"]["id"]}, {"name": "own.txt", "content": "aGVsbG8="}],
    }
    async with db.tenant_tx(tenant_a) as tx:
        await app.state.runtime.events.publish(
            tx, new_event("message.requested.v1", data, tenant_id=tenant_a)
        )
    await until(lambda: len(mailbox.mails) == 1)
    carried = [(part.get_filename(), part.get_content()) for part in mailbox.mails[0].iter_attachments()]
    assert carried == [("kept.txt", "kept"), ("own.txt", "hello")]
