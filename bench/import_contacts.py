"""How fast a CSV becomes contacts: the real service over HTTP, from the first byte sent to "completed".

    python3 bench/import_contacts.py [--rows 100000] [--runs 5] [--tags 0]

The file has 500 mail domains, 3 % unusable addresses, 2 % repeats in other case, names with accents and two
custom fields. Each run is a new tenant ("new"), then the same file again ("again": every contact exists).
Beside it, in the same runs: a bare COPY of the same rows into a table without keys, checks or policies.
A Postgres with the settings of production (every commit on disk) is started for the run; TEST_POSTGRES_DSN
names another one. The target is 40,000 rows/s on 2 cores.
"""

# ruff: noqa: E402  # run as a program, it prepares the environment before the rest can be imported
from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from deploy.local.bootstrap import enter

    enter(__file__)

import argparse
import asyncio
import csv
import io
import json
import platform
import random
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import psutil

from bench.send import free_port, postgres, running, wait_for_port
from shared.database.roles import runtime_dsn
from shared.testing import TokenMint
from shared.testing.databases import ROLE_SECRET, ensure_template, fresh_database
from shared.utils import uuid7

TARGET = 40_000
HEADER = ("email", "first_name", "last_name", "language", "country", "company", "town")


def make_file(rows: int) -> bytes:
    """The same bytes for the same number of rows."""
    chance = random.Random(7)
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(HEADER)
    last = "first@domain0.example"
    for i in range(rows):
        kind = chance.random()
        email = f"person{i}.{chance.randrange(10**6)}@domain{i % 500}.example"
        if kind < 0.03:
            email = email.replace("@", " at ")
        elif kind < 0.05:
            email = f" {last.upper()} "
        else:
            last = email
        names = (
            chance.choice(("Anna", "Zoé", "Jürgen", "Olivia")),
            chance.choice(("Berg", "Müller", "O'Neil")),
        )
        language = chance.choice(("en", "fr", "de", ""))
        writer.writerow((email, *names, language, "FR", f"Company, {i % 1000}", "Ghent"))
    return out.getvalue().encode()


class Keys(BaseHTTPRequestHandler):
    """Stands where auth-service stands: the key set tokens are checked with."""

    body = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def key_server(mint: TokenMint) -> Iterator[str]:
    Keys.body = json.dumps(asyncio.run(mint.fetch_jwks())).encode()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()


class PeakMemory(threading.Thread):
    """Highest resident memory of a process and its children together, sampled."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self._done = threading.Event()
        self.idle = self._now()
        self.peak = 0

    def _now(self) -> int:
        total = 0
        try:
            for process in (self._process, *self._process.children(recursive=True)):
                total += process.memory_info().rss
        except psutil.NoSuchProcess:
            # One of them ended just now; the next sample counts.
            return 0
        return total

    def run(self) -> None:
        while not self._done.wait(0.05):
            self.peak = max(self.peak, self._now())

    def stop(self) -> None:
        self._done.set()
        self.join()


def environment(dsn: str, port: int, keys: str, folder: str) -> dict[str, str]:
    return {
        "PYTHON_ENV": "test",
        "LOG_LEVEL": "warning",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DATABASE_URL": runtime_dsn(dsn, "campaign", ROLE_SECRET),
        "DB_MAX_CONNECTIONS": "10",
        "EVENTS_URL": "postgres://",
        "AUTH_SERVICE_URL": keys,
        "DATA_DIR": folder,
        "SMTP_URL": "smtp://127.0.0.1:9",
    }


class Service:
    """The import endpoint as a client sees it."""

    def __init__(self, base: str, mint: TokenMint, data: bytes, tags: int) -> None:
        self._client = httpx.Client(base_url=base, timeout=120)
        self._mint = mint
        self._data = data
        self._form = {"tags": ",".join(f"tag-{n}" for n in range(tags))} if tags else {}

    def run(self, tenant: UUID) -> tuple[float, dict[str, Any]]:
        """Seconds from upload to done, and the finished import."""
        headers = self._mint.headers(tenant)
        base = f"/api/v2/contacts/{tenant}"
        files = {"file": ("contacts.csv", self._data, "text/csv")}
        started = time.perf_counter()
        answer = self._client.post(f"{base}/import", files=files, data=self._form, headers=headers)
        answer.raise_for_status()
        path = f"{base}/imports/{answer.json()['data']['import_id']}"
        while True:
            found: dict[str, Any] = self._client.get(path, headers=headers).json()["data"]
            if found["status"] in ("completed", "failed", "cancelled"):
                break
            time.sleep(0.02)
        elapsed = time.perf_counter() - started
        if found["status"] != "completed":
            raise SystemExit(f"the import {found['status']}: {found['error']}")
        return elapsed, found


async def bare_copy(dsn: str, data: bytes) -> float:
    """Seconds a COPY of the file takes, commit included."""
    connection = await asyncpg.connect(dsn)
    try:
        columns = ", ".join(f"{name} text" for name in HEADER)
        await connection.execute(f"DROP TABLE IF EXISTS bare; CREATE TABLE bare ({columns})")
        started = time.perf_counter()
        await connection.copy_to_table("bare", source=io.BytesIO(data), format="csv", header=True)
        return time.perf_counter() - started
    finally:
        await connection.close()


def show(name: str, seconds: list[float], rows: int, bare: list[float] | None = None) -> float:
    middle = statistics.median(seconds)
    line = f"{name:<12}{rows / middle:>12,.0f} rows/s   {middle:6.2f} s"
    line += f"   ({min(seconds):.2f} to {max(seconds):.2f})"
    if bare:
        line += f"   {statistics.median(bare) / middle:.2f} of bare COPY"
    print(line)
    return rows / middle


async def server_settings(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        names = (
            "server_version",
            "fsync",
            "synchronous_commit",
            "shared_buffers",
            "wal_buffers",
            "max_wal_size",
        )
        return ", ".join([f"{name} {await connection.fetchval(f'SHOW {name}')}" for name in names])
    finally:
        await connection.close()


def measure(arguments: argparse.Namespace, dsn: str, folder: str) -> None:
    data = make_file(arguments.rows)
    mint = TokenMint()
    port = free_port()
    command = [sys.executable, "-m", "campaign_service"]
    times: dict[str, list[float]] = {"new": [], "again": [], "bare": []}
    with (
        key_server(mint) as keys,
        running(command, env=environment(dsn, port, keys, folder), stdout=subprocess.DEVNULL) as process,
    ):
        wait_for_port(port)
        service = Service(f"http://127.0.0.1:{port}", mint, data, arguments.tags)
        service.run(uuid7())
        memory = PeakMemory(process.pid)
        memory.start()
        for _ in range(arguments.runs):
            tenant = uuid7()
            times["bare"].append(asyncio.run(bare_copy(dsn, data)))
            elapsed, result = service.run(tenant)
            times["new"].append(elapsed)
            times["again"].append(service.run(tenant)[0])
        memory.stop()
    print(f"machine     {platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}")
    print(f"load        {psutil.getloadavg()[0]:.1f} at the end")
    print(f"postgres    {asyncio.run(server_settings(dsn))}")
    names = ("total", "created", "duplicate", "rejected")
    counts = ", ".join(f"{name} {result[name]:,}" for name in names)
    print(f"file        {len(data) / 1e6:.1f} MB, {counts}, {arguments.tags} tags for all")
    print(
        f"memory      {memory.peak / 1e6:.0f} MB at most, service and reader, "
        f"{memory.idle / 1e6:.0f} MB before"
    )
    rate = show("new", times["new"], arguments.rows, times["bare"])
    show("again", times["again"], arguments.rows, times["bare"])
    show("bare COPY", times["bare"], arguments.rows)
    print(f"target      {TARGET:,} rows/s: {'reached' if rate >= TARGET else 'NOT reached'}")


async def main_database(arguments: argparse.Namespace, folder: str) -> None:
    template = await ensure_template()
    async with fresh_database(template) as dsn:
        await asyncio.to_thread(measure, arguments, dsn, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description="Import benchmark")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tags", type=int, default=0)
    with tempfile.TemporaryDirectory() as folder, postgres():
        asyncio.run(main_database(parser.parse_args(), folder))


if __name__ == "__main__":
    main()
