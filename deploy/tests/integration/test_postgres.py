import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.state import read_json, wait_until, write_json


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path / "a folder" / "postgres", durable=False, database="tidings")
    try:
        yield server
    finally:
        server.remove()


async def value(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_server_starts_in_a_folder_with_a_space_and_wants_its_password(server: PostgresServer) -> None:
    dsn = server.start()
    assert await value(dsn, "SELECT current_database()") == "tidings"
    assert await value(dsn, "SELECT lower('ÄŁ')") == "äł"
    assert await value(dsn, "SHOW timezone") == "UTC"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await value(dsn.replace("//postgres:", "//postgres:wrong-"), "SELECT 1")
    # the driver closes the refused connection in the next round of the loop
    await asyncio.sleep(0.01)


async def test_running_server_is_taken_over_and_a_stopped_one_keeps_its_data(server: PostgresServer) -> None:
    dsn = server.start()
    await value(dsn, "CREATE TABLE kept AS SELECT 7 AS number")
    first = server.running()
    assert PostgresServer(server.home, durable=False, database="tidings").start() == dsn
    assert server.running() == first
    server.stop()
    assert server.running() is None
    assert await value(server.start(), "SELECT number FROM kept") == 7


async def test_server_killed_with_its_pid_file_left_starts_again(server: PostgresServer) -> None:
    server.start()
    process = server.running()
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    assert wait_until(lambda: not process.alive(), 10)
    assert (server.home / "data" / "postmaster.pid").exists()
    assert await value(server.start(), "SELECT 1") == 1


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


async def test_pid_file_naming_another_program_does_not_stop_the_start(
    server: PostgresServer, stranger: subprocess.Popen[bytes]
) -> None:
    server.start()
    lock = server.home / "data" / "postmaster.pid"
    content = lock.read_text().split("\n", 1)[1]
    server.stop()
    lock.write_text(f"{stranger.pid}\n{content}")
    assert server.running() is None
    assert await value(server.start(), "SELECT 1") == 1
    assert stranger.poll() is None


async def test_start_cut_short_at_any_point_is_made_good_by_the_next(server: PostgresServer) -> None:
    server.home.mkdir(parents=True)
    (server.home / "unfinished").mkdir()
    (server.home / "unfinished" / "PG_VERSION").write_text("18\n")
    dsn = server.start()
    server.stop()
    # as after an interruption between making the cluster and noting its port
    facts = read_json(server.facts)
    write_json(server.facts, facts | {"port": 0})
    assert await value(server.start(), "SELECT current_database()") == "tidings"
    assert read_json(server.facts)["password"] in dsn
