"""How fast a campaign leaves: real worker processes, real Postgres, Postfix's smtp-sink.

    python3 bench/send.py [--recipients 100000] [--processes 1] [--connections 8]

Every recipient gets a mail of their own: merge fields, four tracked links, open pixel, unsubscribe link and
headers. Timed from the start of the campaign until its status is final, so claims, in-flight marks, outcomes
and figures are included. Beside it: a bare pipelined writer that repeats prepared messages of the same size
over as many connections, with no database and no rendering.
A Postgres with the settings of production (every commit on disk) is started for the run; TEST_POSTGRES_DSN
names another one. The target is 4,000 messages/s on 2 cores.
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
import os
import platform
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from itertools import cycle, islice
from typing import Any
from uuid import UUID

import psutil
import uvloop

from campaign_service.app import create_app
from campaign_service.campaigns import service
from campaign_service.rendering import CampaignInfo, Content, OutgoingMail, Recipient, Site, compile_message
from campaign_service.sending.outcomes import Accepted
from campaign_service.sending.smtp import SmtpConnection, SmtpSettings
from campaign_service.settings import Settings
from deploy.local.postgres import PostgresServer
from shared.config import load_settings
from shared.database import SimpleDatabase
from shared.database.roles import runtime_dsn
from shared.testing.databases import ROLE_SECRET, ensure_template, fresh_database
from shared.utils import uuid7
from shared.web import Runtime

SINK = Path("/usr/sbin/smtp-sink")
SECRET = "benchmark secret, used on this machine only"
MAIL_DOMAIN = "mail.example.com"
PUBLIC_URL = "https://mail.example.com"
_AT_ONCE = 50_000
PARAGRAPH = (
    "<p>Dear {{ first_name }}, the spring catalogue is here: two hundred new frames, prints and albums, made "
    "to order and sent within three days. As a customer from {{ contact.country }} you pay no postage.</p>\n"
)
HTML = f"""<!doctype html><html><head><title>Spring</title>
<style>p {{ color: #333; font: 15px/1.5 sans-serif }} a {{ color: #06c }} .box {{ padding: 12px }}</style>
</head><body><h1>Hello {{{{ first_name | default: "friend" }}}} {{{{ last_name }}}}</h1>
{PARAGRAPH * 10}
<p class="box"><a href="https://shop.example.com/frames?season=spring&amp;src=mail">Frames</a>
<a href="https://shop.example.com/prints">Prints</a> <a href="https://shop.example.com/albums">Albums</a>
<a href="https://shop.example.com/account">Your account {{{{ contact.custom.number }}}}</a></p>
<p><a href="{{{{ unsubscribe_url }}}}">Unsubscribe {{{{ email }}}}</a></p></body></html>"""
CONTENT = Content("{{ first_name }}, your spring catalogue", HTML)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, cwd=ROOT, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def mail_server() -> Iterator[tuple[int, str]]:
    """Postfix's smtp-sink, or our own recording sink where Postfix is not installed."""
    port = free_port()
    if SINK.exists():
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        with running([str(SINK), *user, f"127.0.0.1:{port}", "1000"]):
            wait_for_port(port)
            yield port, "Postfix smtp-sink"
        return
    folder = tempfile.mkdtemp()
    command = [sys.executable, "-m", "tests.simulators.smtp_sink", "--record", f"{folder}/mails"]
    try:
        with running([*command, "--port", str(port)], stdout=subprocess.DEVNULL):
            wait_for_port(port)
            yield port, "tests/simulators/smtp_sink.py (Postfix is not installed: slower)"
    finally:
        shutil.rmtree(folder)


def wait_for_port(port: int) -> None:
    for _ in range(1200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


class Watch(threading.Thread):
    """Highest sum of resident memory of the given processes (sampled), and their processor time."""

    def __init__(self, pids: list[int]) -> None:
        super().__init__(daemon=True)
        self._processes = [psutil.Process(pid) for pid in pids]
        self._done = threading.Event()
        self.peak = 0
        self._cpu_before = self._cpu()

    def _cpu(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self._processes)

    def run(self) -> None:
        while not self._done.wait(0.1):
            self.peak = max(self.peak, sum(process.memory_info().rss for process in self._processes))

    def stop(self) -> tuple[str, float]:
        """Peak memory, and the processor seconds used since the beginning."""
        self._done.set()
        return f"{self.peak / 1e6:.0f} MB", self._cpu() - self._cpu_before


def environment(dsn: str, smtp_port: int, arguments: argparse.Namespace) -> dict[str, str]:
    return {
        "PYTHON_ENV": "test",
        "LOG_LEVEL": "warning",
        "DATABASE_URL": runtime_dsn(dsn, "campaign", ROLE_SECRET),
        "DB_MAX_CONNECTIONS": "10",
        "EVENTS_URL": "postgres://",
        "SMTP_URL": f"smtp://127.0.0.1:{smtp_port}",
        "JWT_SECRET": SECRET,
        "INTERNAL_SERVICE_KEY": "key of the benchmark",
        "MAIL_DOMAIN": MAIL_DOMAIN,
        "PUBLIC_URL": PUBLIC_URL,
        "SEND_CONNECTIONS": str(arguments.connections),
        "SEND_WINDOW": str(arguments.window),
        "SEND_BATCH": str(arguments.batch),
    }


@asynccontextmanager
async def api(env: dict[str, str]) -> AsyncIterator[Runtime]:
    """The service without its background work, to prepare and start the campaign."""
    os.environ.update(env | {"SERVICE_ROLE": "api"})
    app = create_app(load_settings(Settings))
    async with app.router.lifespan_context(app):
        yield app.state.runtime


async def seed(db: SimpleDatabase, recipients: int) -> tuple[UUID, UUID]:
    """A tenant's contacts and template; (tenant, template)."""
    tenant, template = uuid7(), uuid7()
    async with db.tenant_tx(tenant) as tx:
        for first in range(1, recipients + 1, _AT_ONCE):
            await tx.execute(
                """INSERT INTO contact
                     (tenant_id, id, email, first_name, last_name, language, country, custom_fields)
                   SELECT $1, gen_random_uuid(), 'person' || n || '@d' || n % 500 || '.example.com',
                          (ARRAY['Anna', 'Zoë', 'Luc', 'Maria', 'Søren'])[1 + n % 5], 'Name' || n, 'en', 'FR',
                          jsonb_build_object('number', n)
                   FROM generate_series($2::int, $3::int) n""",
                tenant,
                first,
                min(recipients, first + _AT_ONCE - 1),
            )
        await tx.execute(
            "INSERT INTO template (tenant_id, id, name) VALUES ($1, $2, 'Spring')", tenant, template
        )
        await tx.execute(
            """INSERT INTO template_content (tenant_id, template_id, version, language, subject, html)
               VALUES ($1, $2, 1, 'en', $3, $4)""",
            tenant,
            template,
            CONTENT.subject,
            CONTENT.html,
        )
    return tenant, template


async def send(runtime: Runtime, tenant: UUID, template: UUID) -> tuple[float, dict[str, int]]:
    """Start a campaign and wait for its end; seconds, and recipients by state."""
    campaign = uuid7()
    async with runtime.db.tenant_tx(tenant) as tx:
        await tx.execute(
            """INSERT INTO campaign (tenant_id, id, name, template_id, from_name, from_email)
               VALUES ($1, $2, 'Spring', $3, 'Example Shop', 'news@example.com')""",
            tenant,
            campaign,
            template,
        )
    async with runtime.db.tenant_tx(tenant) as tx:
        await service.start(tx, runtime, tenant, campaign, runtime.clock.now())
    begun = time.perf_counter()
    status = "sending"
    while status == "sending":
        await asyncio.sleep(0.05)
        rows = await runtime.db.query(
            "SELECT status FROM campaign WHERE tenant_id = $1 AND id = $2",
            [tenant, campaign],
            tenant_id=tenant,
        )
        status = rows[0]["status"]
    seconds = time.perf_counter() - begun
    states = await runtime.db.query(
        """SELECT state, count(*) AS n FROM campaign_recipient
           WHERE tenant_id = $1 AND campaign_id = $2 GROUP BY state""",
        [tenant, campaign],
        tenant_id=tenant,
    )
    return seconds, {row["state"]: row["n"] for row in states}


def sample_mails(count: int = 500) -> list[OutgoingMail]:
    info = CampaignInfo(uuid7(), uuid7(), "Spring", "Example Shop", "news@example.com")
    site = Site.from_secret(SECRET, public_url=PUBLIC_URL, mail_domain=MAIL_DOMAIN)
    compiled = compile_message({"en": CONTENT}, campaign=info, site=site)
    return [
        compiled.mail(
            Recipient(uuid7(), f"person{n}@example.com", first_name="Zoë", last_name=f"Name{n}", country="FR")
        )
        for n in range(count)
    ]


async def bare(port: int, connections: int, count: int) -> float:
    """Seconds to write `count` prepared messages, nothing else done."""
    settings = SmtpSettings("127.0.0.1", port)
    source = islice(cycle(sample_mails()), count)
    lanes = [await SmtpConnection.open(settings) for _ in range(connections)]

    async def lane(connection: SmtpConnection) -> None:
        async for outcome in connection.stream(source):
            assert isinstance(outcome, Accepted), outcome

    begun = time.perf_counter()
    await asyncio.gather(*(lane(connection) for connection in lanes))
    seconds = time.perf_counter() - begun
    for connection in lanes:
        await connection.quit()
    return seconds


async def database_settings(db: SimpleDatabase) -> str:
    rows = await db.query(
        """SELECT name, setting FROM pg_settings
           WHERE name IN ('server_version', 'fsync', 'synchronous_commit', 'shared_buffers')"""
    )
    return ", ".join(f"{row['name']} {row['setting']}" for row in rows)


@contextmanager
def postgres() -> Iterator[None]:
    """The given server, or a durable one of our own."""
    if os.environ.get("TEST_POSTGRES_DSN"):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as folder:
        server = PostgresServer(Path(folder) / "postgres", durable=True)
        os.environ["TEST_POSTGRES_DSN"] = server.start()
        try:
            yield
        finally:
            server.stop()
            server.remove()


async def main(arguments: argparse.Namespace) -> int:
    async with fresh_database(await ensure_template()) as dsn:
        with mail_server() as (port, server), ExitStack() as stack:
            env = environment(dsn, port, arguments)
            async with api(env) as runtime:
                tenant, template = await seed(runtime.db, arguments.recipients)
                workers = []
                for _ in range(arguments.processes):
                    own = os.environ | env | {"SERVICE_ROLE": "worker", "PORT": str(free_port())}
                    command = [sys.executable, "-m", "campaign_service", "--role", "worker"]
                    workers.append(stack.enter_context(running(command, env=own)))
                    wait_for_port(int(own["PORT"]))
                watch = Watch([worker.pid for worker in workers])
                watch.start()
                seconds, states = await send(runtime, tenant, template)
                peak, cpu = watch.stop()
                about_database = await database_settings(runtime.db)
            for worker in workers:
                worker.terminate()
                worker.wait()
            bare_seconds = await bare(port, arguments.connections * arguments.processes, arguments.recipients)
    rate, bare_rate = arguments.recipients / seconds, arguments.recipients / bare_seconds
    size = len(sample_mails(1)[0].content)
    print(
        f"machine      {os.cpu_count()} cores, {psutil.virtual_memory().total / 1e9:.0f} GB, "
        f"Python {platform.python_version()}"
    )
    print(f"database     {about_database}")
    print(f"mail server  {server}")
    print(
        f"sender       {arguments.processes} process(es), {arguments.connections} connections each, "
        f"claims of {arguments.batch}, windows of {arguments.window}, {size} bytes a message"
    )
    print(f"sent         {arguments.recipients} in {seconds:.1f} s: {rate:,.0f} messages/s, states {states}")
    print(f"bare writer  {arguments.recipients} in {bare_seconds:.1f} s: {bare_rate:,.0f} messages/s")
    print(f"ratio        {rate / bare_rate:.2f} of the bare writer")
    print(f"processor    {cpu:.1f} s in the sender: {cpu / arguments.recipients * 1e6:.0f} µs a message")
    print(f"load         {os.getloadavg()[0]:.1f} over the last minute (other work on this machine included)")
    print(f"peak memory  {peak} over all sender processes")
    return 0 if states == {"accepted": arguments.recipients} else 1


def sender_options(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--window", type=int, default=25)
    return parser


if __name__ == "__main__":
    parser = sender_options(__doc__)
    parser.add_argument("--recipients", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    with postgres():
        status = uvloop.run(main(options))
    sys.exit(status)
