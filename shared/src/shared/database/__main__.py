"""`python -m shared.database migrate [--check]`: roles, schemas and migrations of every service."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

import asyncpg

from shared.database.setup import migrate, status, warning
from shared.errors import ConfigurationError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m shared.database")
    parser.add_argument("command", choices=["migrate"])
    parser.add_argument(
        "--check", action="store_true", help="only tell what is pending; exit 1 if anything is"
    )
    arguments = parser.parse_args()
    dsn = os.environ.get("MIGRATE_DATABASE_URL") or os.environ.get("DATABASE_URL")
    secret = os.environ.get("DATABASE_ROLE_SECRET")
    if not dsn or not secret:
        print("MIGRATE_DATABASE_URL and DATABASE_ROLE_SECRET must be set", file=sys.stderr)
        return 2
    try:
        files = asyncio.run(status(dsn) if arguments.check else migrate(dsn, secret))
        if found := asyncio.run(warning(dsn)):
            print(found, file=sys.stderr)
    except ConfigurationError as error:
        print(error.message, file=sys.stderr)
        return 2
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        print(f"The database refused: {error}", file=sys.stderr)
        return 2
    word = "pending" if arguments.check else "ran"
    for schema, names in files.items():
        print(f"{schema}: {word} {', '.join(names) or 'nothing'}")
    return 1 if arguments.check and any(files.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
