from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from campaign_service.app import create_app
from campaign_service.settings import Settings
from shared.database import SimpleDatabase
from shared.testing import TokenMint
from shared.testing.clients import service_client

from .messages_kit import Mailbox

KEY = {"X-Service-Key": "key-of-property"}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with Mailbox().open() as port:
        yield port


async def ask(db: SimpleDatabase, mint: TokenMint, data: Path, url: str) -> dict[str, Any]:
    settings = Settings(
        python_env="test",
        data_dir=data,
        events_url="postgres://",
        smtp_url=url,
        internal_service_keys="property-service:key-of-property",
        service_role="api",
    )
    async with service_client(create_app(settings), db, mint) as client:
        answer: httpx.Response = await client.get("/internal/mail-server", headers=KEY)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()["data"]
    return found


async def test_a_mail_server_that_answers_is_fine(
    db: SimpleDatabase, mint: TokenMint, tmp_path: Path, port: int
) -> None:
    assert await ask(db, mint, tmp_path, f"smtp://127.0.0.1:{port}") == {
        "status": "ok",
        "configured": True,
        "message": f"127.0.0.1:{port} takes mails",
    }


async def test_a_mail_server_that_is_away_is_told(
    db: SimpleDatabase, mint: TokenMint, tmp_path: Path
) -> None:
    found = await ask(db, mint, tmp_path, "smtp://127.0.0.1:9")
    assert (found["status"], found["configured"]) == ("error", True)
    assert "cannot connect" in found["message"]


async def test_an_address_without_tls_where_it_is_wanted_is_told(
    db: SimpleDatabase, mint: TokenMint, tmp_path: Path, port: int
) -> None:
    found = await ask(db, mint, tmp_path, f"smtp+starttls://127.0.0.1:{port}")
    assert found["status"] == "error"
    assert "STARTTLS" in found["message"]


async def test_an_unreadable_address_is_no_configuration(
    db: SimpleDatabase, mint: TokenMint, tmp_path: Path
) -> None:
    found = await ask(db, mint, tmp_path, "smtp://127.0.0.1:port")
    assert (found["status"], found["configured"]) == ("error", False)
