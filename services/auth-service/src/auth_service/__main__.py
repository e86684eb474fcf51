"""`python -m auth_service [--role …]` serves; `rotate-keys [--emergency]` moves the signing keys on."""

from __future__ import annotations

import argparse
import asyncio
import sys

from auth_service.app import NAME, create_app
from auth_service.settings import AuthSettings
from auth_service.signing_keys import service
from shared.config import load_settings, service_spec
from shared.database import SimpleDatabase
from shared.errors import ConfigurationError
from shared.utils.clock import utc_now
from shared.web.server import run_service


async def rotate_keys(settings: AuthSettings, *, emergency: bool) -> str:
    """Begin a rotation, or replace all keys at once; what was done."""
    db = SimpleDatabase(settings.database, service_spec(NAME).schema)
    await db.connect()
    try:
        async with db.plain_tx() as tx:
            if emergency:
                deleted = await service.replace_at_once(tx, settings, utc_now())
                return f"{deleted} keys deleted, one made: access tokens signed so far are refused"
            steps = await service.begin_rotation(tx, settings, utc_now())
            return ", ".join(step.action for step in steps) or "a new key is already waiting to take over"
    finally:
        await db.close()


def _rotate(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m auth_service rotate-keys")
    parser.add_argument("--emergency", action="store_true", help="delete all keys now; access tokens die")
    options = parser.parse_args(arguments)
    try:
        settings = load_settings(AuthSettings)
    except ConfigurationError as error:
        print(error.message, file=sys.stderr)
        return 2
    print(asyncio.run(rotate_keys(settings, emergency=options.emergency)))
    return 0


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["rotate-keys"]:
        return _rotate(arguments[1:])
    return run_service(NAME, AuthSettings, create_app)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
