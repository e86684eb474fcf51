"""campaign-service's worker in a process of its own, as it runs in production."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.database.roles import runtime_dsn
from shared.testing.databases import ROLE_SECRET
from tests.simulators.processes import ROOT


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def worker(dsn: str, folder: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m campaign_service --role worker`, in this environment besides; killed at the end."""
    common = {
        "PYTHON_ENV": "test",
        "LOG_LEVEL": "warning",
        "DATABASE_URL": runtime_dsn(dsn, "campaign", ROLE_SECRET),
        "EVENTS_URL": "postgres://",
        "JWT_SECRET": "a secret of the tests",
        "PORT": str(free_port()),
        "DATA_DIR": str(folder),
    }
    command = [sys.executable, "-m", "campaign_service", "--role", "worker"]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | common | settings)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():  # noqa: ASYNC110  # what it waits for happens in other processes
        await asyncio.sleep(0.02)
