"""One worker an account: Fienta knows one session of it, and its pages do not lock."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from code_service.fienta import repository
from code_service.fienta.port import FientaBusy
from shared.database import SimpleDatabase
from shared.database.errors import HANDLED
from shared.utils.ids import uuid7
from shared.utils.logging import logger

LEASE_SECONDS = 60.0
RENEW_SECONDS = 15.0


@dataclass(slots=True)
class Lease:
    """An account that is ours until `good_until` on the loop's clock, if it is not renewed."""

    account: bytes
    token: UUID
    good_until: float

    def check(self) -> None:
        """Raises FientaBusy once somebody else may have the account."""
        if asyncio.get_running_loop().time() >= self.good_until:
            raise FientaBusy("the account at Fienta was lost to another worker")


@asynccontextmanager
async def hold_account(
    db: SimpleDatabase, email: str, seconds: float = LEASE_SECONDS, renew: float = RENEW_SECONDS
) -> AsyncIterator[Lease]:
    """Hold the account, of whichever tenant, for as long as the block runs.

    Raises FientaBusy at once while another worker has it. A worker that dies loses it after `seconds`.
    """
    lease = Lease(_name(email), uuid7(), 0.0)
    if not await _take(db, lease, seconds):
        raise FientaBusy("another worker uses this account at Fienta")
    renewing = asyncio.create_task(_renew(db, lease, seconds, renew), name="fienta lease")
    try:
        yield lease
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        # Where the database is away, the lease ends by itself.
        with contextlib.suppress(*HANDLED, OSError):
            async with db.plain_tx() as tx:
                await repository.release_lease(tx, lease.account, lease.token)


def _name(email: str) -> bytes:
    """What the table knows of an account: no address is kept outside its tenant."""
    return hashlib.sha256(b"fienta account\0" + email.strip().lower().encode()).digest()


async def _take(db: SimpleDatabase, lease: Lease, seconds: float) -> bool:
    began = asyncio.get_running_loop().time()
    async with db.plain_tx() as tx:
        taken = await repository.take_lease(tx, lease.account, lease.token, seconds)
    if taken:
        lease.good_until = began + seconds
    return taken


async def _renew(db: SimpleDatabase, lease: Lease, seconds: float, renew: float) -> None:
    while True:
        await asyncio.sleep(renew)
        try:
            if not await _take(db, lease, seconds):
                lease.good_until = 0.0
                return
        except (*HANDLED, OSError) as error:
            logger.warning("the hold on an account at Fienta was not renewed", error=error)
