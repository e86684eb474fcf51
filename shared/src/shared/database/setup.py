"""Roles, schemas and migrations of every service, run with an administrator's login."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import asyncpg

from shared.config import SERVICES
from shared.database import migrations
from shared.database.migrations import Migration, find_migrations
from shared.database.roles import owner_role, role_password, runtime_role, worker_role
from shared.errors import ConfigurationError

_HERE = Path(__file__).parent
_ROLE_RACES = (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError)
BUS_USER = "tidings_bus_user"


def service_migrations(package: str) -> list[Migration]:
    """The migrations of an installed service, from inside its package or beside its `src` folder."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return []
    home = Path(next(iter(spec.submodule_search_locations)))
    for folder in (home / "migrations", home.parent.parent / "migrations"):
        if folder.is_dir():
            return find_migrations(folder)
    return []


def plan() -> dict[str, list[Migration]]:
    """Schema to its migrations in order: the bus, then each service's platform tables and its own."""
    platform = find_migrations(_HERE / "platform", "platform")
    result = {"bus": find_migrations(_HERE / "bus", "bus")}
    for service in SERVICES:
        result[service.schema] = platform + service_migrations(service.package)
    return result


async def migrate(admin_dsn: str, role_secret: str, *, only: set[str] | None = None) -> dict[str, list[str]]:
    """Bring every schema up to date; schema to the names of the files that ran. Safe to run twice at once."""
    connection = await asyncpg.connect(admin_dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock(hashtext('tidings migrations'))")
        ran: dict[str, list[str]] = {}
        for schema, files in plan().items():
            if only is None or schema in only or schema == "bus":
                ran[schema] = await _migrate_schema(connection, schema, files, role_secret)
        return ran
    finally:
        await connection.close()


async def knows_letters(connection: asyncpg.Connection[asyncpg.Record]) -> bool:
    """Whether the database is UTF-8 and folds the case of all letters, as searching for names needs."""
    known: bool = await connection.fetchval("SELECT getdatabaseencoding() = 'UTF8' AND lower('É') = 'é'")
    return known


async def warning(admin_dsn: str) -> str | None:
    """What an operator should know about the database, though it works all the same."""
    connection = await asyncpg.connect(admin_dsn)
    try:
        if await knows_letters(connection):
            return None
        return (
            "This database is not UTF-8 with a Unicode LC_CTYPE (such as C.UTF-8): "
            "searching will tell É from é. Create it with ENCODING 'UTF8' LOCALE 'C.UTF-8'."
        )
    finally:
        await connection.close()


async def status(admin_dsn: str) -> dict[str, list[str]]:
    """Schema to the names of the files that have not run."""
    connection = await asyncpg.connect(admin_dsn)
    try:
        result = {}
        for schema, files in plan().items():
            exists = await connection.fetchval(
                "SELECT to_regclass($1) IS NOT NULL", f"{schema}.schema_migrations"
            )
            rows = await connection.fetch(f"SELECT * FROM {schema}.schema_migrations") if exists else []
            done = {(row["source"], row["version"]): row["checksum"] for row in rows}
            result[schema] = [m.path.name for m in migrations.pending(files, done)]
        return result
    finally:
        await connection.close()


async def _migrate_schema(connection: Any, schema: str, files: list[Migration], secret: str) -> list[str]:
    if not schema.isidentifier():
        raise ConfigurationError(f"{schema!r} cannot be a schema name")
    await _ensure_roles(connection, schema, secret)
    owner = owner_role(schema)
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner}")
    await connection.execute(
        f"GRANT USAGE ON SCHEMA {schema} TO {runtime_role(schema)}, {worker_role(schema)}"
    )
    await connection.execute(f"SET ROLE {owner}; SET search_path = {schema}")
    try:
        bootstrap = (_HERE / "bootstrap.sql").read_text(encoding="utf-8")
        for name, value in {
            "schema": schema,
            "rw": runtime_role(schema),
            "worker": worker_role(schema),
        }.items():
            bootstrap = bootstrap.replace(f"{{{name}}}", value)
        await connection.execute(bootstrap)
        waiting = migrations.pending(files, await migrations.applied(connection))
        for migration in waiting:
            await migrations.apply(connection, migration)
    finally:
        await connection.execute("RESET ROLE; RESET search_path")
    return [m.path.name for m in waiting]


async def _ensure_roles(connection: Any, schema: str, secret: str) -> None:
    owner, runtime, worker = owner_role(schema), runtime_role(schema), worker_role(schema)
    password = role_password(secret, runtime)
    await _quietly(connection, f"CREATE ROLE {owner} NOLOGIN")
    await _quietly(connection, f"CREATE ROLE {worker} NOLOGIN")
    await _quietly(connection, f"CREATE ROLE {runtime} LOGIN NOINHERIT NOBYPASSRLS PASSWORD '{password}'")
    await _quietly(connection, f"ALTER ROLE {runtime} PASSWORD '{password}'")
    await _quietly(connection, f"GRANT {worker} TO {runtime}")
    await _quietly(connection, f"GRANT {owner} TO CURRENT_USER")
    if schema == "bus":
        await _quietly(connection, f"CREATE ROLE {BUS_USER} NOLOGIN")
    await _quietly(connection, f"GRANT {BUS_USER} TO {worker}")


async def _quietly(connection: Any, statement: str) -> None:
    """Run a statement about roles, which the whole server shares: another run may have done it just now."""
    for _ in range(5):
        try:
            await connection.execute(statement)
        except asyncpg.InternalServerError as error:
            if "concurrently" not in str(error):
                raise
        except _ROLE_RACES:
            return
        else:
            return
    raise ConfigurationError("the roles could not be set up: another set-up kept changing them")
