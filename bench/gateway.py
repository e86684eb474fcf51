"""How fast the public door proxies, beside the service without it and beside nginx in its place.

    python3 bench/gateway.py [--seconds 5] [--rounds 3] [--connections 32]

The service behind is one small uvicorn process that answers 1 KB of JSON. Measured in turn, in one run:
- the service, called directly;
- the gateway, a public path: checks, header rules, proxying, access log, metrics;
- the gateway with an access token and the rate limit counted in Postgres;
- nginx (where installed) with one worker and kept-alive connections to the service, no log.
TEST_POSTGRES_DSN names the server; without it the one of the test set-up is started.
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
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import psutil

from bench.http_load import Target, free_port, heading, options, peak_memory, rounds, server, table
from deploy.local import testservers
from shared.database.roles import runtime_dsn
from shared.testing import TokenMint, fresh_database
from shared.testing.databases import ROLE_SECRET, ensure_template
from shared.utils.ids import uuid7

LIMIT = 1_000_000_000
_SERVICE = """
import json, os, sys, uvicorn
KEYS = os.environ["BENCH_JWKS"].encode()
BODY = json.dumps({"success": True, "data": "x" * 1000}).encode()

async def app(scope, receive, send):
    body = KEYS if scope["path"].endswith("jwks.json") else BODY
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

uvicorn.run(app, port=int(sys.argv[1]), http="httptools", ws="none", lifespan="off", log_config=None,
            access_log=False, timeout_keep_alive=30)
"""
_NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  upstream service {{ server 127.0.0.1:{service}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection "";
                  proxy_set_header X-Forwarded-For $remote_addr; }}
  }}
}}
"""


@contextlib.contextmanager
def nginx(service: int) -> Iterator[tuple[int, psutil.Process] | None]:
    """Port and process of an nginx in front of the service; None where it is not installed."""
    binary = shutil.which("nginx")
    if binary is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        config = Path(folder, "nginx.conf")
        config.write_text(_NGINX.format(folder=folder, service=service, port=port))
        with server([binary, "-c", str(config), "-p", folder], {}, f"http://127.0.0.1:{port}/") as process:
            yield port, process


def gateway_environment(dsn: str, port: int, service: int) -> dict[str, str]:
    url = f"http://127.0.0.1:{service}"
    return {
        "DATABASE_URL": runtime_dsn(dsn, "gateway", ROLE_SECRET),
        "DB_MAX_CONNECTIONS": "10",
        "EVENTS_URL": "postgres://",
        "PORT": str(port),
        "AUTH_SERVICE_URL": url,
        "CAMPAIGN_SERVICE_URL": url,
        "RATE_LIMIT_REQUESTS": str(LIMIT),
        "LOG_LEVEL": "info",
    }


def measure(arguments: argparse.Namespace, dsn: str, keys: dict[str, Any], token: str) -> None:
    service, port = free_port(), free_port()
    behind = server(
        [sys.executable, "-c", _SERVICE, str(service)],
        {"BENCH_JWKS": json.dumps(keys)},
        f"http://127.0.0.1:{service}/",
    )
    gateway = server(
        [sys.executable, "-m", "webhook_gateway"],
        gateway_environment(dsn, port, service),
        f"http://127.0.0.1:{port}/ready",
    )
    with behind as service_process, gateway as process, nginx(service) as peer:
        authorization = (("Authorization", f"Bearer {token}"),)
        targets = [
            (Target("service direct", service, "/api/v2/contacts/x"), service_process),
            (Target("gateway, public path", port, "/t/o/x"), process),
            (Target("gateway, token and limit", port, "/api/v2/contacts/x", headers=authorization), process),
        ]
        peers = ["service direct"]
        if peer is not None:
            targets.append((Target("nginx", peer[0], "/api/v2/contacts/x"), peer[1]))
            peers.append("nginx")
        results = rounds(
            targets, count=arguments.rounds, connections=arguments.connections, seconds=arguments.seconds
        )
        table(results, peers)
        print(f"\nPeak memory of the gateway: {peak_memory(process):.0f} MiB")
    if peer is None:
        print("nginx: not measured, not installed")


async def main_database(arguments: argparse.Namespace) -> None:
    mint = TokenMint()
    keys = await mint.fetch_jwks()
    async with fresh_database(await ensure_template()) as dsn:
        await asyncio.to_thread(measure, arguments, dsn, keys, mint.token(uuid7(), exp=4_000_000_000))


def main() -> None:
    given = options(__doc__)
    if not os.environ.get("TEST_POSTGRES_DSN"):
        os.environ.update(testservers.start(ROOT / ".tidings" / "bench"))
    servers = "gateway: 1 process, uvicorn (httptools), access log on"
    print(heading(given, servers))
    asyncio.run(main_database(given))


if __name__ == "__main__":
    main()
