"""A service killed between the commit of an allocation and its answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import httpx

from shared.database.roles import runtime_dsn
from shared.testing import TokenMint
from shared.testing.databases import ROLE_SECRET

CALLERS = 20
ALLOCATE = "/codes/allocate?code_type=discount"


class Wire:
    """Between the service and Postgres: what Postgres answers can be held back."""

    def __init__(self, dsn: str) -> None:
        self._server = urlsplit(dsn)
        self.is_cut = False
        self.dsn = ""

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[Wire]:
        async with await asyncio.start_server(self._connect, "127.0.0.1", 0) as listener:
            port = listener.sockets[0].getsockname()[1]
            user = self._server.netloc.rpartition("@")[0]
            self.dsn = urlunsplit(self._server._replace(netloc=f"{user}@127.0.0.1:{port}"))
            yield self

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(self._server.hostname, self._server.port)
        await asyncio.gather(self._pass(reader, up_writer), self._pass(up_reader, writer, answers=True))

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = False
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if not (answers and self.is_cut):
                    writer.write(data)
        writer.close()


@asynccontextmanager
async def keys_of(mint: TokenMint) -> AsyncIterator[str]:
    """The address of a service that has only the keys to check tokens with."""
    body = json.dumps(await mint.fetch_jwks()).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + body)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def service(dsn: str, auth: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`python -m code_service`, as it runs in production, and its address."""
    port = free_port()
    settings = {
        "PYTHON_ENV": "test",
        "LOG_LEVEL": "error",
        "DATABASE_URL": dsn,
        "EVENTS_URL": "postgres://",
        "JWT_SECRET": "a secret of the tests",
        "AUTH_SERVICE_URL": auth,
        "PORT": str(port),
        "DATA_DIR": str(folder),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "code_service", "--role", "api"], env=os.environ | settings
    )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def client_of(address: str, headers: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60) as client:
        await until(lambda: _is_ready(client))
        yield client


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """The limit only ends a test that hangs."""
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110  # what it waits for happens in other processes
            await asyncio.sleep(0.02)


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/ready")).status_code == 200
    except httpx.TransportError:
        return False


async def allocate(client: httpx.AsyncClient, number: int) -> httpx.Response:
    return await client.post(ALLOCATE, headers={"Idempotency-Key": f"order-{number}"})


async def committed(admin: asyncpg.Connection[Any], tenant: UUID) -> dict[str, UUID]:
    """Code by key, as the database has it."""
    sql = "SELECT key, code_ids[1] AS id FROM code.allocation WHERE tenant_id = $1"
    return {row["key"]: row["id"] for row in await admin.fetch(sql, tenant)}


async def has_committed(admin: asyncpg.Connection[Any], tenant: UUID, number: int) -> bool:
    return len(await committed(admin, tenant)) >= number


async def test_a_repeat_after_kill_9_gets_the_code_that_was_committed(
    database_dsn: str, mint: TokenMint, tenant_a: UUID, tmp_path: Path
) -> None:
    admin = await asyncpg.connect(database_dsn)
    await admin.execute(
        """INSERT INTO code.code (tenant_id, id, code, type)
           SELECT $1, code.event_id(), 'K-' || n, 'discount' FROM generate_series(1, 100) AS n""",
        tenant_a,
    )
    headers = mint.headers(tenant_a)
    async with (
        keys_of(mint) as auth,
        Wire(runtime_dsn(database_dsn, "code", ROLE_SECRET)).laid() as wire,
    ):
        with service(wire.dsn, auth, tmp_path) as (process, address):
            async with client_of(address, headers) as client:
                answered = (await allocate(client, 0)).json()["data"]
                wire.is_cut = True
                waiting = [asyncio.create_task(allocate(client, number)) for number in range(1, CALLERS)]
                await until(lambda: has_committed(admin, tenant_a, 2))
                before = await committed(admin, tenant_a)
                process.send_signal(signal.SIGKILL)
                await asyncio.to_thread(process.wait)
                lost = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(one, httpx.TransportError) for one in lost), "nobody had an answer"

        wire.is_cut = False
        with service(wire.dsn, auth, tmp_path) as (_, address):
            async with client_of(address, headers) as client:
                answers = await asyncio.gather(*(allocate(client, number) for number in range(CALLERS)))
    given = {f"order-{number}": answer.json()["data"] for number, answer in enumerate(answers)}
    assert given["order-0"] == answered
    assert {key: UUID(code["id"]) for key, code in given.items()} == await committed(admin, tenant_a)
    replayed = {f"order-{n}" for n, answer in enumerate(answers) if "idempotent-replayed" in answer.headers}
    assert replayed >= before.keys()
    assert len({code["id"] for code in given.values()}) == CALLERS
    gone = await admin.fetchval("SELECT count(*) FROM code.code WHERE status = 'used'")
    told = await admin.fetchval("SELECT count(*) FROM code.code_event WHERE action = 'allocate'")
    assert (gone, told) == (CALLERS, CALLERS)
    await admin.close()
