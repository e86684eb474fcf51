"""Single mails: asked for by an event, once."""

from __future__ import annotations

import json
from uuid import UUID

from shared.database import SimpleDatabase
from shared.testing import TokenMint

from .codes_kit import Codes, refusal
from .test_generation import finished

FILE = "0190a000-0000-7000-8000-000000000001"


async def test_mails_are_asked_for_once_by_key(codes: Codes, db: SimpleDatabase) -> None:
    body = {
        "to": "guest@example.com",
        "subject": "Your code",
        "text": "{{ code }}",
        "variables": {"code": "A"},
        "attachments": [{"id": FILE}, {"name": "terms.txt", "content": "aGVsbG8="}],
    }
    dry = await codes.data("POST", "/email/send", body | {"dry_run": True})
    job = await finished(codes, dry["job_id"])
    assert job["result"]["would_request"]["content"] == {"subject": "Your code", "text": "{{ code }}"}
    answers = [await codes.data("POST", "/email/send", body, Idempotency_Key="mail-1") for _ in range(2)]
    assert answers[0] == answers[1]
    job = await finished(codes, answers[0]["job_id"])
    async with db.system_tx() as tx:
        [event] = await tx.fetch("SELECT data FROM outbox WHERE type = 'message.requested.v1'")
    asked = event["data"] if isinstance(event["data"], dict) else json.loads(event["data"])
    assert (
        asked["idempotency_key"] == job["result"]["idempotency_key"] == f"code-service:email.send:{job['id']}"
    )
    assert (asked["recipient"]["email"], asked["template"], asked["variables"]) == (
        "guest@example.com",
        "",
        {"code": "A"},
    )
    assert [(file["id"], file["name"], file["content"]) for file in asked["attachments"]] == [
        (FILE, None, None),
        (None, "terms.txt", "aGVsbG8="),
    ]
    for file in ({}, {"name": "a"}, {"name": "a", "content": "%"}, {"name": "a", "content": ""}, {"id": "x"}):
        assert refusal(await codes.call("POST", "/email/send", body | {"attachments": [file]}))[0] == 422
    for wrong in ({}, {"subject": "x"}, {"template": "t", "subject": "x", "text": "y"}, {"template": ""}):
        answer = await codes.call("POST", "/email/send", {"to": "guest@example.com", **wrong})
        assert refusal(answer) == (422, "UNPROCESSABLE")
    assert refusal(await codes.call("POST", "/email/send", body | {"to": "a\nb@example.com"}))[0] == 422


async def test_who_has_not_proven_their_own_address_sends_no_mail(
    codes: Codes, mint: TokenMint, tenant_a: UUID
) -> None:
    headers = mint.headers(tenant_a, "owner", email_verified=False)
    body = {"to": "guest@example.com", "subject": "Hello", "text": "Hello"}
    answer = await codes.client.post("/email/send", json=body, headers=headers)
    assert refusal(answer) == (403, "EMAIL_NOT_VERIFIED")
