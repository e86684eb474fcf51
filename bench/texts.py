"""How fast the texts of a campaign leave: a real worker process, real Postgres, a simulated provider.

    python3 bench/texts.py [--recipients 2000] [--connections 4] [--latency 0]

Every text is its own request, written down before it is made and after, up to 25 together on each of the
`--connections`. Timed from the start of the campaign until its status is final. Beside it: the same requests
by the same client, as many at once, with no database. `--latency` is how many seconds the provider takes to
answer. The processor time is the worker's alone: it says more than the rate where other programs run too.
Server and settings are those of bench/send.py.
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
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from uuid import UUID

import uvloop

from bench.fairness import ended
from bench.send import Watch, api, environment, free_port, postgres, running, wait_for_port
from campaign_service.campaigns import service
from campaign_service.sms import service as sms
from campaign_service.sms.schemas import SmsSettingsIn
from campaign_service.sms.slots import WINDOW
from campaign_service.sms.twilio import Access, Twilio
from shared.testing.databases import ensure_template, fresh_database
from shared.utils import uuid7
from shared.web import Runtime
from tests.simulators import twilio

_NUMBER = "+15005550006"
_SETTINGS = SmsSettingsIn.model_validate(
    {
        "account_sid": twilio.SID,
        "auth_token": twilio.AUTH_TOKEN,
        "numbers": [{"number": _NUMBER}],
        "rate_per_sender": 1000,
        "quiet_hours": None,
    }
)


def _provide(port: int, latency: float) -> None:
    async def forever() -> None:
        async with twilio.running(twilio.TwilioSimulator(latency=latency), port):
            await asyncio.Event().wait()

    uvloop.run(forever())


@contextmanager
def provider(latency: float) -> Iterator[str]:
    """The address of a simulated provider in a process of its own."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=_provide, args=(port, latency), daemon=True)
    process.start()
    try:
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.join()


async def begin(runtime: Runtime, recipients: int) -> UUID:
    """A started campaign to so many people of a new tenant."""
    tenant, campaign = uuid7(), uuid7()
    async with runtime.db.tenant_tx(tenant) as tx:
        await sms.put_settings(tx, runtime, tenant, uuid7(), _SETTINGS)
        await tx.execute(
            """INSERT INTO contact
                 (tenant_id, id, email, first_name, phone, phone_e164, phone_tried, custom_fields)
               SELECT $1, gen_random_uuid(), 'p' || n || '@example.com', 'Anna', p, p, p,
                      '{"sms_marketing_consent": "yes"}'
               FROM generate_series(1, $2) n, LATERAL (SELECT '+1202' || lpad(n::text, 7, '0') AS p) g""",
            tenant,
            recipients,
        )
        await tx.execute(
            """INSERT INTO campaign (tenant_id, id, name, channel, sms_text)
               VALUES ($1, $2, 'Spring', 'sms', 'Hello {{ first_name }}. Reply STOP to end')""",
            tenant,
            campaign,
        )
        await service.start(tx, runtime, tenant, campaign, runtime.clock.now())
    return campaign


async def bare(address: str, texts: int, connections: int) -> float:
    """Seconds for as many requests by the client alone."""
    client, left = Twilio(address, 20.0), iter(range(texts))
    access, body = Access(twilio.SID, twilio.AUTH_TOKEN), "Hello Anna. Reply STOP to end"

    async def post() -> None:
        for number in left:
            await client.send(access, _NUMBER, f"+1202{number:07}", body)

    begun = time.perf_counter()
    try:
        await asyncio.gather(*(post() for _ in range(connections)))
    finally:
        await client.close()
    return time.perf_counter() - begun


async def run(arguments: argparse.Namespace) -> None:
    async with fresh_database(await ensure_template()) as dsn:
        with ExitStack() as stack:
            address = stack.enter_context(provider(arguments.latency))
            env = environment(dsn, free_port(), arguments)
            env |= {"TWILIO_URL": address, "SMS_CONNECTIONS": str(arguments.connections)}
            async with api(env) as runtime:
                own = os.environ | env | {"SERVICE_ROLE": "worker", "PORT": str(free_port())}
                command = [sys.executable, "-m", "campaign_service", "--role", "worker"]
                worker = stack.enter_context(running(command, env=own))
                wait_for_port(int(own["PORT"]))
                campaign = await begin(runtime, arguments.recipients)
                begun, watch = time.perf_counter(), Watch([worker.pid])
                await ended(runtime, [campaign])
                seconds, (_, cpu) = time.perf_counter() - begun, watch.stop()
            plain = await bare(address, arguments.recipients, arguments.connections * WINDOW)
    rate, most = arguments.recipients / seconds, arguments.recipients / plain
    print(f"sent         {arguments.recipients:,} over {arguments.connections} connections, one process")
    print(f"campaign     {rate:,.0f} texts/s")
    print(f"processor    {cpu / arguments.recipients * 1000:.2f} ms a text")
    print(f"bare client  {most:,.0f} texts/s; ratio {rate / most:.2f}")
    print(f"load         {os.getloadavg()[0]:.1f} over the last minute (other work on this machine included)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--recipients", type=int, default=2000)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.set_defaults(window=25, batch=500)
    with postgres():
        uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
