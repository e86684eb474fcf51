"""`python -m campaign_service stats-rebuild`: count everything again and correct what is wrong."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from campaign_service.settings import Settings
from campaign_service.stats.rollups import repository
from shared.config import load_settings, service_spec
from shared.database import SimpleDatabase
from shared.errors import ConfigurationError

NAME = "stats-rebuild"


async def rebuild(db: SimpleDatabase) -> dict[str, int]:
    """Table to how many of its numbers were wrong. The service may run meanwhile."""
    corrected = {}
    for rollup in repository.ROLLUPS:
        async with db.system_tx() as tx:
            corrected[rollup.table] = await repository.rebuild(tx, rollup)
    return corrected


async def _run(settings: Settings, schema: str) -> dict[str, int]:
    db = SimpleDatabase(settings.database, schema)
    await db.connect()
    try:
        return await rebuild(db)
    finally:
        await db.close()


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 when it is done, 2 for wrong arguments or settings."""
    parser = argparse.ArgumentParser(prog=f"python -m campaign_service {NAME}", description=__doc__)
    parser.parse_args(arguments)
    try:
        settings = load_settings(Settings)
    except ConfigurationError as error:
        sys.stderr.write(f"{error.message}\n")
        return 2
    for table, number in asyncio.run(_run(settings, service_spec("campaign-service").schema)).items():
        sys.stdout.write(f"{table}: {number or 'nothing'} to correct\n")
    return 0
