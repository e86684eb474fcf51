"""A tenant's providers in their order, each behind its circuit breaker."""

from __future__ import annotations

import asyncio
from typing import cast
from uuid import UUID

from campaign_service.sending.outlets import Connection
from campaign_service.sending.smtp import SmtpError
from shared.utils import logger
from shared.web import Runtime

from . import repository, service
from .model import Provider
from .transports import Dressed, open_provider

#: Failures in a row after which nothing is sent by a provider for a while.
THRESHOLD = 3
_FRESH_SECONDS = 1.0
_TRIAL_SECONDS = 60.0


class TenantOutlet:
    """Connections for one tenant. What one process hears of a provider, all know within a second."""

    def __init__(self, runtime: Runtime, tenant_id: UUID) -> None:
        self._runtime = runtime
        self._tenant_id = tenant_id
        self._providers: list[Provider] = []
        self._read_at = float("-inf")

    async def has_providers(self) -> bool:
        """False: the installation's mail server sends for the tenant."""
        return bool(await self._fresh())

    async def first_due(self) -> Provider | None:
        """The provider that mail would go by now."""
        now = self._runtime.clock.now()
        return next((provider for provider in await self._fresh() if provider.is_due(now)), None)

    async def connect(self, stop: asyncio.Event) -> Connection | None:
        for provider in await self._fresh():
            if stop.is_set():
                return None
            if not await self._may_use(provider):
                continue
            try:
                return await open_provider(self._runtime, provider)
            except SmtpError as error:
                await self._failed(provider, str(error), refused=error.reply is not None)
        return None

    def keeps(self, connection: Connection) -> bool:
        """Not when a better one is there again, or this one's circuit has opened."""
        used = cast(Dressed, connection).provider
        now = self._runtime.clock.now()
        best = next((p for p in self._providers if p.circuit == "closed" or p.id == used.id), None)
        return best is not None and best.id == used.id and (best.circuit != "open" or best.is_due(now))

    async def heard(self, connection: Connection, *, answered: bool, turned_away: bool) -> None:
        dressed = cast(Dressed, connection)
        if answered:
            await self._worked(dressed.provider)
        elif turned_away or not dressed.usable:
            trouble = "the server wants no mail now" if dressed.usable else dressed.trouble
            await self._failed(dressed.provider, trouble, refused=False)

    async def _may_use(self, provider: Provider) -> bool:
        if provider.circuit == "closed":
            return True
        now = self._runtime.clock.now()
        if not provider.is_due(now):
            return False
        async with self._runtime.db.tenant_tx(self._tenant_id) as tx:
            return await repository.try_again(tx, self._tenant_id, provider.id, now, _TRIAL_SECONDS)

    async def _failed(self, provider: Provider, error: str, *, refused: bool) -> None:
        """A server that does not let us in will not do so the next moment either."""
        logger.warning(
            "a provider failed", tenant_id=str(self._tenant_id), provider=provider.name, error=error
        )
        async with self._runtime.db.tenant_tx(self._tenant_id) as tx:
            now = self._runtime.clock.now()
            threshold = 1 if refused else THRESHOLD
            await repository.failed(tx, self._tenant_id, provider.id, error, now, threshold=threshold)
        self._read_at = float("-inf")

    async def _worked(self, provider: Provider) -> None:
        known = next((p for p in self._providers if p.id == provider.id), None)
        if known is None or (known.circuit == "closed" and not known.failures):
            return
        async with self._runtime.db.tenant_tx(self._tenant_id) as tx:
            await repository.worked(tx, self._tenant_id, provider.id)
        self._read_at = float("-inf")

    async def _fresh(self) -> list[Provider]:
        moment = asyncio.get_running_loop().time()
        if moment - self._read_at > _FRESH_SECONDS:
            async with self._runtime.db.tenant_tx(self._tenant_id) as tx:
                self._providers = await service.providers(self._runtime, tx)
            self._read_at = moment
        return self._providers
