"""A large upload through a gateway process of its own: streamed, not gathered."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator

import httpx

from shared.database.roles import runtime_dsn
from shared.testing.databases import ROLE_SECRET

from .support import FakeServices

MIB = 1024 * 1024
UPLOAD_BYTES = 150 * MIB


def peak_memory(pid: int) -> int:
    """Largest resident size so far, in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123  # procfs
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


async def pieces() -> AsyncIterator[bytes]:
    block = b"x" * MIB
    for _ in range(UPLOAD_BYTES // MIB):
        yield block


async def until_ready(url: str) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(30):
        while True:
            try:
                if (await client.get(f"{url}/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


async def test_large_upload_does_not_grow_the_gateway(
    database_dsn: str, services: FakeServices, auth: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "DATABASE_URL": runtime_dsn(database_dsn, "gateway", ROLE_SECRET),
        "AUTH_SERVICE_URL": services.url,
        "CAMPAIGN_SERVICE_URL": services.url,
        "PORT": str(port),
        "SERVICE_ROLE": "api",
        "EVENTS_URL": "postgres://",
        "LOG_LEVEL": "error",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "webhook_gateway", env={**os.environ, **settings}
    )
    url = f"http://127.0.0.1:{port}"
    try:
        await until_ready(url)
        before = peak_memory(process.pid)
        async with httpx.AsyncClient(timeout=120) as client:
            answer = await client.post(
                f"{url}/api/v2/contacts/t/import?behave=upload",
                headers={"X-API-Key": "good-key"},
                content=pieces(),
            )
        after = peak_memory(process.pid)
    finally:
        process.terminate()
        await process.wait()

    assert answer.json() == {"bytes": UPLOAD_BYTES}
    assert after - before < 24 * MIB
