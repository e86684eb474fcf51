"""Databases for tests: one migrated template a run, a copy of it for each test."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg

from shared.config import DatabaseConfig
from shared.database import SimpleDatabase
from shared.database.roles import runtime_dsn, with_database
from shared.database.setup import knows_letters, migrate, plan

ROLE_SECRET = "role secret of the tests"  # noqa: S105  # only for throw-away servers

# For servers whose own default is the bare C locale, as in some container images.
_UNICODE = "TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'"

_TELLS_ITERATIONS = 16


def admin_dsn() -> str:
    """TEST_POSTGRES_DSN: an administrator's address on a server that tests may fill."""
    dsn = os.environ.get("TEST_POSTGRES_DSN")
    if not dsn:
        raise RuntimeError("TEST_POSTGRES_DSN is not set; start the tests with run_tests.py")
    return dsn


def _template_name(schemas: tuple[str, ...]) -> str:
    digest = hashlib.sha256(ROLE_SECRET.encode())
    for schema, files in plan().items():
        if schemas and schema not in ("bus", *schemas):
            continue
        digest.update(schema.encode())
        for file in files:
            digest.update(file.checksum.encode())
    return f"tidings_template_{digest.hexdigest()[:16]}"


async def ensure_template(*schemas: str) -> str:
    """Make the template unless this server has one for the same migrations; its name.

    With `schemas` it holds only these and the bus: the fewer tables, the quicker each copy.
    """
    name = _template_name(schemas)
    connection = await asyncpg.connect(admin_dsn())
    try:
        await connection.execute("SELECT pg_advisory_lock(hashtext('tidings test template'))")
        done = await connection.fetchval("SELECT datistemplate FROM pg_database WHERE datname = $1", name)
        if not done:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
            locale = "" if await knows_letters(connection) else _UNICODE
            await connection.execute(f'CREATE DATABASE "{name}" {locale}')
            if connection.get_server_version().major >= _TELLS_ITERATIONS:
                # Thousands of tests log in: a slow proof of a password that is no secret costs each of them.
                await connection.execute(f'ALTER DATABASE "{name}" SET scram_iterations = 1')
            await migrate(with_database(admin_dsn(), name), ROLE_SECRET, only=set(schemas) or None)
            await connection.execute(f'ALTER DATABASE "{name}" IS_TEMPLATE true ALLOW_CONNECTIONS false')
    finally:
        await connection.close()
    return name


@asynccontextmanager
async def fresh_database(template: str) -> AsyncIterator[str]:
    """An administrator's address of a new copy of the template, dropped at the end."""
    name = f"t_{uuid4().hex}"
    connection = await asyncpg.connect(admin_dsn())
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        yield with_database(admin_dsn(), name)
    finally:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await connection.close()


def runtime_database(dsn: str, schema: str, max_connections: int = 5) -> SimpleDatabase:
    """A pool that logs in as the runtime role of a schema, as the service itself does."""
    url = runtime_dsn(dsn, schema, ROLE_SECRET)
    return SimpleDatabase(DatabaseConfig(url=url, max_connections=max_connections), schema)
