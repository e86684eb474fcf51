"""Who has not proven their own address writes to nobody."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from campaign_service.app import create_app
from campaign_service.settings import Settings
from shared.database import SimpleDatabase
from shared.testing import TokenMint
from shared.testing.clients import service_client
from shared.utils import uuid7

MAIL = {"to": {"email": "friend@example.com"}, "subject": "Hello", "text": "Hello"}
SENDING: dict[str, Any] = {
    "campaigns/{tenant}/{id}/send": None,
    "campaigns/{tenant}/{id}/schedule": {"scheduled_at": "2036-01-01T00:00:00Z"},
    "campaigns/{tenant}/{id}/resume": None,
    "campaigns/{tenant}/{id}/retry-failed": None,
    "campaigns/{tenant}/{id}/test": {"to": ["friend@example.com"]},
    "messages/{tenant}": MAIL,
    "conversations/{tenant}/{id}/messages": {"body": "Hello"},
    "portals/{tenant}/netlife/collect": {
        "portal": "photos",
        "sms_campaign": {"name": "Photos", "sms_text": "Hello", "send": True},
    },
}


def unproven(mint: TokenMint, tenant: UUID, **claims: Any) -> dict[str, str]:
    return mint.headers(tenant, "owner", email_verified=False, **claims)


@pytest.mark.parametrize("path", SENDING)
async def test_who_has_not_proven_the_address_sends_nothing(
    client: httpx.AsyncClient, mint: TokenMint, tenant_a: UUID, path: str
) -> None:
    url = f"/api/v2/{path.format(tenant=tenant_a, id=uuid7())}"
    answer = await client.post(url, json=SENDING[path], headers=unproven(mint, tenant_a))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "EMAIL_NOT_VERIFIED")
    assert "/auth/verify-email/resend" in answer.json()["error"]["message"]
    by_key = await client.post(url, json=SENDING[path], headers=unproven(mint, tenant_a, knd="api_key"))
    assert by_key.status_code == 403
    assert "API key" in by_key.json()["error"]["message"]


async def test_an_installation_may_ask_for_no_proof(
    settings: Settings, db: SimpleDatabase, mint: TokenMint, tenant_a: UUID
) -> None:
    app = create_app(settings.model_copy(update={"require_verified_email": False}))
    async with service_client(app, db, mint) as client:
        answer = await client.post(
            f"/api/v2/messages/{tenant_a}", json=MAIL, headers=unproven(mint, tenant_a)
        )
    assert answer.status_code == 202, answer.text
