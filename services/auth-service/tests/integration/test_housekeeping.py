"""What is deleted, what stays, and what is written at the end of a process."""

from __future__ import annotations

from datetime import UTC, datetime

from auth_service.app import create_app
from auth_service.housekeeping.service import clean
from shared.database import SimpleDatabase
from shared.testing import FakeClock, TokenMint
from shared.testing.clients import service_client

from .support import SERVICE, Accounts, CountingHasher, cheap_settings


async def test_only_what_nobody_can_use_is_deleted(accounts: Accounts) -> None:
    ada = await accounts.register()
    await accounts.login("nobody@example.com")
    assert set((await clean(accounts.auth)).values()) == {0}
    accounts.clock.advance(26 * 3600)
    assert await clean(accounts.auth) == {"sessions": 0, "mailed_links": 1, "login_throttles": 1}
    accounts.clock.advance(91 * 86400)
    assert (await clean(accounts.auth))["sessions"] == 1
    assert (await accounts.login(ada.email)).status_code == 200


async def test_last_uses_are_written_when_the_process_ends(
    db: SimpleDatabase, mint: TokenMint, accounts: Accounts
) -> None:
    ada = await accounts.register()
    body = {"name": "importer", "scopes": ["read"]}
    key = (await accounts.client.post("/api-keys", json=body, headers=ada.headers)).json()["data"]["key"]
    settings = cheap_settings()
    clock = FakeClock(datetime.now(UTC))
    async with service_client(create_app(settings, CountingHasher(settings)), db, mint, clock) as client:
        answer = await client.post("/internal/api-keys/exchange", json={"key": key}, headers=SERVICE)
        assert answer.status_code == 200
    async with db.tenant_tx(ada.tenant_id) as tx:
        assert await tx.fetchval("SELECT last_used_at FROM api_key") == clock.now()
