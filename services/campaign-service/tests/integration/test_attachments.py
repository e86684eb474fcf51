"""Files from their upload to the mail that arrives, and who may do what with them."""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import dkim  # type: ignore[import-untyped]
import httpx
import pytest
from fastapi import FastAPI

from campaign_service.attachments import repository, service
from campaign_service.attachments.repository import Owner
from campaign_service.settings import settings_of
from shared.database import SimpleDatabase
from tests.simulators.processes import smtp_sink

from .campaigns_kit import Kit
from .test_sending_worker import sending, status, until

PDF = b"%PDF-1.7 " + bytes(range(256)) * 4
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 60


async def upload(
    kit: Kit, path: str, name: str = "terms.pdf", content: bytes = PDF, **fields: str
) -> httpx.Response:
    files = {"file": (name, content, "application/x-anything")}
    return await kit.request("POST", f"/api/v2/{path}", files=files, data=fields)


async def stored(kit: Kit, name: str = "terms.pdf", content: bytes = PDF) -> dict[str, Any]:
    answer = await upload(kit, f"attachments/{kit.tenant}", name, content)
    assert answer.status_code == 201, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def made(kit: Kit, html: str = "<p>Hello</p>") -> tuple[UUID, str]:
    """A template and a campaign that sends it."""
    template = await kit.add_template(["en"], html)
    created = await kit.create(template_id=str(template), from_email="news@example.com")
    return template, str(created["id"])


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_file_is_kept_listed_given_back_and_deleted(kit: Kit) -> None:
    base = f"/api/v2/attachments/{kit.tenant}"
    first, second = await stored(kit, "Preise für Zoë.pdf"), await stored(kit, "a.txt", b"hello")
    assert (first["name"], first["content_type"], first["size"]) == (
        "Preise für Zoë.pdf",
        "application/pdf",
        len(PDF),
    )
    listed = (await kit.request("GET", base)).json()["data"]
    assert [row["id"] for row in listed] == [second["id"], first["id"]]
    got = await kit.request("GET", f"{base}/{first['id']}/content")
    assert (got.content, got.headers["content-type"]) == (PDF, "application/pdf")
    assert got.headers["content-disposition"].startswith("attachment; filename*=utf-8''Preise%20f")
    assert got.headers["x-content-type-options"] == "nosniff"
    gone = (await kit.request("DELETE", f"{base}/{first['id']}")).json()["data"]
    assert (gone["name"], gone["deleted_at"] is None) == ("Preise für Zoë.pdf", False)
    assert (await kit.request("GET", f"{base}/{first['id']}/content")).status_code == 404
    rows = await kit.fetch("SELECT content FROM attachment WHERE tenant_id = $1 ORDER BY id", kit.tenant)
    assert [row["content"] for row in rows] == [None, b"hello"]


async def test_programs_and_too_much_are_refused(kit: Kit) -> None:
    base = f"attachments/{kit.tenant}"
    assert code_of(await upload(kit, base, "setup.exe")) == (422, "ATTACHMENT_REFUSED")
    assert code_of(await upload(kit, base, "x.pdf", b"MZ\x90")) == (422, "ATTACHMENT_REFUSED")
    limit = settings_of(kit.runtime).attachments_max_bytes
    large = await upload(kit, base, "large.bin", b"\xff" * (limit + 1))
    assert code_of(large) == (413, "PAYLOAD_TOO_LARGE")
    assert code_of(await kit.request("POST", f"/api/v2/{base}", json={})) == (415, "UNSUPPORTED_MEDIA_TYPE")
    nothing = await kit.request("POST", f"/api/v2/{base}", files={"other": ("a", b"b")})
    assert code_of(nothing) == (422, "UNPROCESSABLE")
    assert (await upload(kit, base, "empty.txt", b"")).status_code == 400
    named = {"attachment_id": (None, (await stored(kit))["id"])}
    assert code_of(await kit.request("POST", f"/api/v2/{base}", files=named)) == (422, "UNPROCESSABLE")


async def test_a_template_keeps_its_files_by_version(kit: Kit) -> None:
    template, _ = await made(kit)
    path = f"templates/{kit.tenant}/{template}/attachments"
    first = (await upload(kit, path, content_id="terms")).json()["data"]
    assert [(file["name"], file["content_id"]) for file in first] == [("terms.pdf", "terms")]
    assert code_of(await upload(kit, path, "b.pdf", content_id="terms")) == (409, "ALREADY_ATTACHED")
    assert code_of(await upload(kit, path, "b.pdf", content_id="a b")) == (422, "UNPROCESSABLE")
    other = await stored(kit, "other.pdf")
    by_id = await kit.request("POST", f"/api/v2/{path}", files={"attachment_id": (None, other["id"])})
    assert [file["name"] for file in by_id.json()["data"]] == ["terms.pdf", "other.pdf"]
    content = {"contents": {"en": {"subject": "New", "html": "<p>New</p>"}}}
    changed = await kit.request("PUT", f"/api/v2/templates/{kit.tenant}/{template}", json=content)
    assert changed.json()["data"]["version"] == 4
    left = await kit.request("DELETE", f"/api/v2/{path}/{first[0]['attachment_id']}")
    assert [file["name"] for file in left.json()["data"]] == ["other.pdf"]
    again = await kit.request("DELETE", f"/api/v2/{path}/{first[0]['attachment_id']}")
    assert again.status_code == 404
    async with kit.db.tenant_tx(kit.tenant) as tx:
        carried = [
            [file.name for file in await service.files(tx, [Owner(template_id=template, template_version=n)])]
            for n in range(1, 6)
        ]
    assert carried == [[], ["terms.pdf"], *[["terms.pdf", "other.pdf"]] * 2, ["other.pdf"]]


async def test_what_is_needed_is_not_deleted(kit: Kit) -> None:
    template, campaign = await made(kit)
    files = (await upload(kit, f"campaigns/{kit.tenant}/{campaign}/attachments")).json()["data"]
    one = f"/api/v2/attachments/{kit.tenant}/{files[0]['attachment_id']}"
    copy = await kit.ok("POST", f"/{campaign}/duplicate")
    await kit.ok("DELETE", f"/{campaign}/attachments/{files[0]['attachment_id']}")
    refused = await kit.request("DELETE", one)
    assert code_of(refused) == (409, "ATTACHMENT_IN_USE")
    assert refused.json()["error"]["details"]["needed_by"] == [f"campaign {copy['name']}"]
    await kit.ok("DELETE", f"/{copy['id']}")
    assert (await kit.request("DELETE", one)).status_code == 200
    attached = await kit.request(
        "POST",
        f"/api/v2/templates/{kit.tenant}/{template}/attachments",
        files={"attachment_id": (None, files[0]["attachment_id"])},
    )
    assert attached.status_code == 404


async def test_files_of_template_and_campaign_arrive_signed_and_those_who_started_keep_them(
    lone_kit: Kit, tmp_path: Path
) -> None:
    kit = lone_kit
    domain = {"domain": "example.com", "sign": "always"}
    keys = (await kit.request("POST", f"/api/v2/sending/{kit.tenant}/domains", json=domain)).json()["data"]
    records = {key["record"]["name"]: key["record"]["value"].encode() for key in keys["keys"]}
    html = '<p>Hello</p><img src="cid:logo">'
    template, campaign = await made(kit, html)
    await upload(kit, f"templates/{kit.tenant}/{template}/attachments", "logo.png", PNG, content_id="logo")
    await upload(kit, f"campaigns/{kit.tenant}/{campaign}/attachments", "Preise für Zoë.pdf")
    await kit.add_contacts(3)
    await kit.ok("POST", f"/{campaign}/send")
    late = await upload(kit, f"campaigns/{kit.tenant}/{campaign}/attachments", "late.pdf")
    assert late.status_code == 409
    await upload(kit, f"templates/{kit.tenant}/{template}/attachments", "late.pdf")
    with smtp_sink(tmp_path) as sink:
        async with sending(kit, sink.port):
            await until(lambda: _is_sent(kit, campaign))
        mails = [
            message["content"].encode() for message in sink.messages() if message["campaign"] == campaign
        ]
    assert len(mails) == 3
    for raw in mails:
        message = email.message_from_bytes(raw, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        found = {part.get_filename(): part.get_payload(decode=True) for part in message.walk()}
        assert (found["logo.png"], found["Preise für Zoë.pdf"], "late.pdf" in found) == (PNG, PDF, False)
        for number in range(2):
            assert dkim.DKIM(raw).verify(
                idx=number, dnsfunc=lambda name, timeout=5: records.get(name.decode().rstrip("."))
            )


async def _is_sent(kit: Kit, campaign: str) -> bool:
    return await status(kit, UUID(campaign)) == "sent"


async def test_a_campaign_whose_file_is_gone_waits_and_says_so(lone_kit: Kit, tmp_path: Path) -> None:
    kit = lone_kit
    _, campaign = await made(kit)
    await upload(kit, f"campaigns/{kit.tenant}/{campaign}/attachments")
    await kit.add_contacts(1)
    await kit.ok("POST", f"/{campaign}/send")
    await kit.execute(
        "UPDATE attachment SET content = NULL, deleted_at = now() WHERE tenant_id = $1", kit.tenant
    )
    with smtp_sink(tmp_path) as sink:
        async with sending(kit, sink.port):
            await until(lambda: _is_paused(kit, campaign))
    shown = await kit.ok("GET", f"/{campaign}")
    assert shown["status_reason"] == "cannot be rendered: the attachment terms.pdf was deleted"


async def _is_paused(kit: Kit, campaign: str) -> bool:
    return await status(kit, UUID(campaign)) == "paused"


async def test_preflight_weighs_the_mail_and_looks_for_its_pictures(kit: Kit) -> None:
    template, campaign = await made(kit, '<p>x</p><img src="cid:logo">')
    assert await _checks(kit, campaign) == {"weight": "ok", "inline_images": "error"}
    path = f"templates/{kit.tenant}/{template}/attachments"
    await upload(kit, path, "logo.png", PNG, content_id="logo")
    assert await _checks(kit, campaign) == {"weight": "ok", "inline_images": "ok"}
    await kit.execute(
        "UPDATE attachment SET size = 9 * 1000 * 1000 WHERE tenant_id = $1 AND name = 'logo.png'", kit.tenant
    )
    assert (await _checks(kit, campaign))["weight"] == "warning"
    assert (await upload(kit, path, "b.bin", b"\xff" * 2_000_000)).status_code == 413


async def _checks(kit: Kit, campaign: str) -> dict[str, str]:
    found = await kit.ok("GET", f"/{campaign}/preflight")
    wanted = ("weight", "inline_images")
    return {check["name"]: check["status"] for check in found["checks"] if check["name"] in wanted}


async def test_a_message_and_a_trial_carry_the_files_of_all_they_come_from(kit: Kit) -> None:
    template, campaign = await made(kit)
    own = await stored(kit, "own.pdf")
    await upload(kit, f"templates/{kit.tenant}/{template}/attachments", "template.pdf")
    await upload(kit, f"campaigns/{kit.tenant}/{campaign}/attachments", "campaign.pdf")
    [trial] = (await kit.ok("POST", f"/{campaign}/test", json={"to": ["a@example.com"]}))["message_ids"]
    given = [{"id": own["id"]}, {"name": "C:\\here.txt", "content": base64.b64encode(b"hello").decode()}]
    body = {"to": {"email": "a@example.com"}, "template_id": str(template), "attachments": given}
    answer = await kit.request("POST", f"/api/v2/messages/{kit.tenant}", json=body)
    assert answer.status_code == 202, answer.text
    async with kit.db.tenant_tx(kit.tenant) as tx:
        tried = await service.files(tx, [Owner(message_id=UUID(trial))])
        sent = await service.files(tx, [Owner(message_id=UUID(answer.json()["data"]["id"]))])
    assert [file.name for file in tried] == ["template.pdf", "campaign.pdf"]
    assert [file.name for file in sent] == ["template.pdf", "own.pdf", "here.txt"]
    assert (sent[2].content_type, base64.b64decode(sent[2].encoded)) == (
        "text/plain; charset=utf-8",
        b"hello",
    )
    listed = (await kit.request("GET", f"/api/v2/attachments/{kit.tenant}")).json()["data"]
    assert "here.txt" not in {row["name"] for row in listed}


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"id": str(uuid4())}, 404),
        ({"name": "a.exe", "content": "aGk="}, 422),
        ({"name": "a.txt", "content": "not base64!"}, 422),
        ({"name": "a.txt", "content": ""}, 422),
        ({"name": "a.txt"}, 422),
        ({"id": str(uuid4()), "name": "a.txt", "content": "aGk="}, 422),
        ({"name": "a.txt", "content": "aGk=", "content_id": "a>b"}, 422),
    ],
)
async def test_wrong_files_of_messages_are_refused(kit: Kit, given: dict[str, str], status: int) -> None:
    body = {"to": {"email": "a@example.com"}, "subject": "s", "text": "t", "attachments": [given]}
    answer = await kit.request("POST", f"/api/v2/messages/{kit.tenant}", json=body)
    assert answer.status_code == status, answer.text


async def test_files_are_a_tenants_own_and_need_a_role(kit: Kit, tenant_b: UUID) -> None:
    file = await stored(kit)
    template, _ = await made(kit)
    viewer, stranger = kit.headers("viewer"), kit.headers(tenant=tenant_b)
    one = f"attachments/{kit.tenant}/{file['id']}"
    assert (await kit.request("GET", f"/api/v2/{one}/content", headers=viewer)).status_code == 200
    assert (await kit.request("DELETE", f"/api/v2/{one}", headers=viewer)).status_code == 403
    theirs = one.replace(str(kit.tenant), str(tenant_b))
    for path in (one, f"{one}/content", theirs, f"{theirs}/content"):
        assert (await kit.request("GET", f"/api/v2/{path}", headers=stranger)).status_code == 404
    body = {
        "to": {"email": "a@example.com"},
        "subject": "s",
        "text": "t",
        "attachments": [{"id": file["id"]}],
    }
    taken = await kit.request("POST", f"/api/v2/messages/{tenant_b}", json=body, headers=stranger)
    assert taken.status_code == 404
    files = {"attachment_id": (None, file["id"])}
    path = f"/api/v2/templates/{kit.tenant}/{template}/attachments"
    assert (await kit.request("POST", path, files=files, headers=stranger)).status_code == 404
    assert (await kit.request("POST", path, files=files, headers=viewer)).status_code == 403


async def test_files_of_a_forgotten_person_are_gone_and_those_of_the_tenant_stay(kit: Kit) -> None:
    [contact] = await kit.add_contacts(1, prefix="gone")
    kept = await stored(kit, "kept.pdf")
    given = [{"id": kept["id"]}, {"name": "invoice.txt", "content": "aGVsbG8="}]
    for address in ("gone1@example.com", "other@example.com"):
        body = {"to": {"email": address}, "subject": "s", "text": "t", "attachments": given}
        answer = await kit.request("POST", f"/api/v2/messages/{kit.tenant}", json=body)
        assert answer.status_code == 202
    told = await kit.request("GET", f"/api/v2/contacts/{kit.tenant}/{contact}/personal-data")
    [message] = told.json()["data"]["messages"]
    files = told.json()["data"]["attachments"]
    assert [(file["name"], file["message_id"]) for file in files] == [
        ("kept.pdf", message["id"]),
        ("invoice.txt", message["id"]),
    ]
    erased = await kit.request("POST", f"/api/v2/contacts/{kit.tenant}/{contact}/erase")
    assert erased.status_code == 200
    rows = await kit.fetch("SELECT name FROM attachment WHERE tenant_id = $1 ORDER BY name", kit.tenant)
    assert [row["name"] for row in rows] == ["invoice.txt", "kept.pdf"]


async def single_mail(db: SimpleDatabase, tenant: UUID, state: str, days: int) -> UUID:
    """The file of a single message in a state, which came so many days ago."""
    async with db.tenant_tx(tenant) as tx:
        message = await tx.fetchval(
            """INSERT INTO message
                 (tenant_id, id, recipient_email, from_email, subject, state, next_attempt_at)
               VALUES ($1, gen_random_uuid(), 'a@example.com', 'b@example.com', 's', $2, 'infinity')
               RETURNING id""",
            tenant,
            state,
        )
        values = {"name": "a.txt", "content_type": "text/plain", "content": b"a", "created_by": None}
        file = await repository.insert(tx, tenant, values | {"is_listed": False})
        await repository.add_use(tx, tenant, Owner(message_id=message), file, None)
        await tx.execute(
            """UPDATE attachment SET created_at = now() - $3 * interval '1 day'
               WHERE tenant_id = $1 AND id = $2""",
            tenant,
            file,
            days,
        )
    return file


@pytest.mark.usefixtures("client")
async def test_files_of_single_mails_are_removed_a_month_after_they_were_sent(
    app: FastAPI, db: SimpleDatabase, tenant_a: UUID
) -> None:
    sent = await single_mail(db, tenant_a, "accepted", 31)
    await single_mail(db, tenant_a, "failed_retry", 31)
    await single_mail(db, tenant_a, "accepted", 29)
    async with db.system_tx() as tx:
        job = await app.state.runtime.jobs.enqueue(tx, "attachments.sweep", tenant_id=None)
    while True:
        async with db.system_tx() as tx:
            [done] = await tx.fetch("SELECT status, result FROM job WHERE id = $1", job.id)
        if done["status"] == "completed":
            break
        await asyncio.sleep(0.02)
    assert done["result"] == {"removed": 1}
    async with db.tenant_tx(tenant_a) as tx:
        gone = await tx.fetch("SELECT id FROM attachment WHERE tenant_id = $1 AND content IS NULL", tenant_a)
    assert [row["id"] for row in gone] == [sent]
