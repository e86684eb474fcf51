"""What the benchmarks of code-service share: service and gateway as processes, and a bare app beside."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from bench.http_load import free_port, server
from shared.database.roles import runtime_dsn
from shared.testing.databases import ROLE_SECRET

#: FastAPI and asyncpg and nothing else, served as `shared.web.server` serves: one process, the same settings.
_BARE = """
import os, sys
import asyncpg, uvicorn
from contextlib import asynccontextmanager
from fastapi import FastAPI, Response

KEYS = os.environ["BENCH_JWKS"]

@asynccontextmanager
async def lifespan(app):
    app.state.pool = await asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=10, max_size=10, server_settings={{"search_path": "code"}},
        reset=lambda connection: noop())
    yield
    await app.state.pool.close()

async def noop():
    pass

app = FastAPI(lifespan=lifespan)

@app.get("/.well-known/jwks.json")
async def keys():
    return Response(KEYS, media_type="application/json")

@app.get("/ready")
async def ready():
    return {{}}

{route}

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), http="httptools", ws="none", loop="auto",
            lifespan="on", log_config=None, access_log=False, server_header=False, timeout_keep_alive=30)
"""


@dataclass(frozen=True)
class Running:
    port: int
    process: psutil.Process


@contextlib.contextmanager
def bare(dsn: str, keys: dict[str, Any], route: str) -> Iterator[Running]:
    """A bare app with one more route; it also has the keys that check tokens."""
    port = free_port()
    settings = {"DATABASE_URL": runtime_dsn(dsn, "code", ROLE_SECRET), "BENCH_JWKS": json.dumps(keys)}
    command = [sys.executable, "-c", _BARE.format(route=route), str(port)]
    with server(command, settings, f"http://127.0.0.1:{port}/ready") as process:
        yield Running(port, process)


@contextlib.contextmanager
def service(dsn: str, auth: int, package: str = "code_service", code: int = 0) -> Iterator[Running]:
    """code-service or the gateway in front of it, as in production: one process, all roles, access log on."""
    port = free_port()
    settings = {
        "DATABASE_URL": runtime_dsn(dsn, "code" if package == "code_service" else "gateway", ROLE_SECRET),
        "DB_MAX_CONNECTIONS": "10",
        "EVENTS_URL": "postgres://",
        "PORT": str(port),
        "AUTH_SERVICE_URL": f"http://127.0.0.1:{auth}",
        "CODE_SERVICE_URL": f"http://127.0.0.1:{code}",
        "RATE_LIMIT_REQUESTS": "1000000000",
        "LOG_LEVEL": "info",
        "DATA_DIR": os.environ.get("TMPDIR", "/tmp"),  # nothing is written there
    }
    with server([sys.executable, "-m", package], settings, f"http://127.0.0.1:{port}/ready") as process:
        yield Running(port, process)
