"""Plain SQL migrations: one transaction each, an advisory lock around the run, checksums."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.database.pool import SimpleDatabase, get_database
from shared.errors import ConfigurationError

_FILE = re.compile(r"^(\d{4,})_[a-z0-9_]+\.sql$")
_LEDGER = """CREATE TABLE IF NOT EXISTS schema_migrations (
  source text NOT NULL, version text NOT NULL, filename text NOT NULL, checksum text NOT NULL,
  executed_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (source, version))"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file; `source` keeps the numbering of the platform apart from the service's own."""

    source: str
    version: str
    path: Path

    @property
    def sql(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def find_migrations(directory: Path, source: str = "service") -> list[Migration]:
    """The files `NNNN_what.sql` of a folder by number. A doubled number or another name is refused."""
    found: dict[str, Migration] = {}
    for path in sorted(directory.glob("*.sql")):
        match = _FILE.match(path.name)
        if match is None:
            raise ConfigurationError(f"{path.name} is not named NNNN_what.sql")
        if match[1] in found:
            raise ConfigurationError(f"{path.name} and {found[match[1]].path.name} share a number")
        found[match[1]] = Migration(source, match[1], path)
    return list(found.values())


async def applied(connection: Any) -> dict[tuple[str, str], str]:
    """What has run: (source, version) to checksum."""
    await connection.execute(_LEDGER)
    rows = await connection.fetch("SELECT source, version, checksum FROM schema_migrations")
    return {(row["source"], row["version"]): row["checksum"] for row in rows}


def pending(migrations: list[Migration], done: dict[tuple[str, str], str]) -> list[Migration]:
    """Those still to run. A file that changed after it ran is refused."""
    for migration in migrations:
        checksum = done.get((migration.source, migration.version))
        if checksum is not None and checksum != migration.checksum:
            raise ConfigurationError(f"{migration.path.name} was changed after it ran; write a new migration")
    return [m for m in migrations if (m.source, m.version) not in done]


async def apply(connection: Any, migration: Migration) -> None:
    """Run one file and note it, in one transaction."""
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = 0")
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO schema_migrations (source, version, filename, checksum) VALUES ($1, $2, $3, $4)",
            migration.source,
            migration.version,
            migration.path.name,
            migration.checksum,
        )


class SimpleMigrationManager:
    """Migrations of one folder on one database; by default `./migrations` on the default database."""

    def __init__(self, database: SimpleDatabase | None = None, directory: str | Path = "migrations") -> None:
        self._database = database
        self._directory = Path(directory)

    @property
    def _db(self) -> SimpleDatabase:
        return self._database or get_database()

    async def get_status(self) -> dict[str, Any]:
        """`total_executed`, `total_pending` and the file names of both."""
        files = find_migrations(self._directory)
        async with self._db.get_pool().acquire() as connection:
            done = await applied(connection)
        waiting = pending(files, done)
        executed = [m.path.name for m in files if m not in waiting]
        return {
            "total_executed": len(executed),
            "total_pending": len(waiting),
            "executed": executed,
            "pending": [m.path.name for m in waiting],
        }

    async def run_migrations(self) -> list[str]:
        """Run what is pending, in order; the names of the files that ran. Two runs at once are safe."""
        async with self._db.get_pool().acquire() as connection:
            await connection.execute("SELECT pg_advisory_lock(hashtext('tidings migrations'))")
            try:
                waiting = pending(find_migrations(self._directory), await applied(connection))
                for migration in waiting:
                    await apply(connection, migration)
            finally:
                await connection.execute("SELECT pg_advisory_unlock(hashtext('tidings migrations'))")
        return [m.path.name for m in waiting]

    async def create_migration(self, name: str) -> str:
        """Make an empty file with the next number; its name."""
        slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        if not slug:
            raise ConfigurationError("a migration needs a name with letters or digits")
        files = find_migrations(self._directory) if self._directory.is_dir() else []
        number = max((int(m.version) for m in files), default=0) + 1
        path = self._directory / f"{number:04d}_{slug}.sql"
        self._directory.mkdir(parents=True, exist_ok=True)
        path.write_text(f"-- {name}\n", encoding="utf-8")
        return path.name
