"""Single messages leave by the tenant's own providers too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from campaign_service.settings import Settings
from shared.testing import TokenMint

from .messages_kit import Mailbox, Messages
from .test_channels import free_port, smtp


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
            provider_private_hosts=["127.0.0.1"],
        )


async def test_a_message_goes_by_the_first_own_provider_that_can_be_reached(
    client: httpx.AsyncClient, mailbox: Mailbox, mint: TokenMint, tenant_a: UUID, tenant_b: UUID
) -> None:
    own, first, second = Mailbox(), mint.headers(tenant_a), mint.headers(tenant_b)
    async with own.open() as port:
        providers = [smtp("broken", free_port()), smtp("own", port, verp_domain="b.example.com")]
        path = f"/api/v2/sending/{tenant_a}/channels"
        answer = await client.put(path, json={"email": providers}, headers=first)
        assert answer.status_code == 200, answer.text
        for tenant, headers in ((tenant_a, first), (tenant_b, second)):
            messages = Messages(client, tenant, headers)
            queued = await messages.send()
            await messages.until(queued["id"], "accepted")
    assert (len(own.mails), len(mailbox.mails)) == (1, 1)
    assert own.envelopes[0].mail_from.endswith("@b.example.com")
    assert mailbox.envelopes[0].mail_from.endswith("@mail.test")
