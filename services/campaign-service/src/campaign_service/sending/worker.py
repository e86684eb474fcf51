"""The sender: a background task of campaign-service. Any number of processes may run it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from campaign_service.settings import settings_of, site_of
from shared.utils import logger
from shared.web import Runtime

from . import repository
from .feeding import Feeder
from .lanes import Lanes
from .model import Limits
from .outlets import ServerOutlet
from .recording import Recorder
from .smtp import SmtpSettings
from .tenants import TenantLanes

_STOP_SECONDS = 15.0
_STUMBLE_SECONDS = 1.0


async def run(runtime: Runtime, stop: asyncio.Event) -> None:
    """Send the campaigns of all tenants until `stop`; then finish what is in flight, give back the rest."""
    settings = settings_of(runtime)
    limits = Limits(
        connections=settings.send_connections,
        batch=settings.send_batch,
        window=settings.send_window,
        lease=settings.send_lease_seconds,
        retry_base=settings.send_retry_seconds,
    )
    server = SmtpSettings.from_url(settings.smtp_url.get_secret_value(), helo=settings.mail_domain)
    await Sender(runtime, server, limits, stop).run()


class Sender:
    """Feeder → lanes → recorder, with the sweeper and the lease keeper beside them."""

    def __init__(self, runtime: Runtime, server: SmtpSettings, limits: Limits, stop: asyncio.Event) -> None:
        site = site_of(runtime)
        self._runtime = runtime
        self._limits = limits
        self._stop = stop
        self._recorder = Recorder(runtime, site)
        self._tenants = TenantLanes(runtime, limits, self._recorder)
        self._feeder = Feeder(runtime, site, limits, stop, self._tenants)
        self._lanes = Lanes(runtime, ServerOutlet(server), limits, self._feeder.windows, self._recorder, stop)

    async def run(self) -> None:
        lease = self._limits.lease
        recorder = asyncio.create_task(self._recorder.run())
        lanes = asyncio.gather(self._lanes.run(), self._tenants.run(self._stop))
        others = [
            asyncio.create_task(self._repeat(self._feeder.round, 0.0)),
            asyncio.create_task(self._repeat(self._lanes.renew_leases, lease / 6)),
            asyncio.create_task(self._repeat(self._tenants.renew_leases, lease / 6)),
            asyncio.create_task(self._repeat(self._sweep, min(5.0, lease / 3))),
        ]
        try:
            await asyncio.wait([lanes])
        finally:
            await self._wind_down(lanes, others, recorder)

    async def _repeat(self, step: Callable[[], Awaitable[object]], pause: float) -> None:
        """`step` for ever. What fails is said and tried again: mails in flight must not suffer from it."""
        while True:
            try:
                await step()
            except Exception as error:  # noqa: BLE001  # whatever ails the database, sending goes on after it
                logger.warning("sending stumbled; it goes on", step=step.__name__, error=error)
                await asyncio.sleep(_STUMBLE_SECONDS)
            await asyncio.sleep(pause)

    async def _wind_down(
        self,
        lanes: asyncio.Future[tuple[None, None]],
        others: list[asyncio.Task[None]],
        recorder: asyncio.Task[None],
    ) -> None:
        lanes.cancel()
        for task in others:
            task.cancel()
        await asyncio.gather(lanes, *others, return_exceptions=True)
        self._recorder.close()
        await asyncio.wait([recorder, asyncio.create_task(self._give_back())], timeout=_STOP_SECONDS)
        recorder.cancel()
        await asyncio.gather(recorder, return_exceptions=True)

    async def _give_back(self) -> None:
        try:
            await self._lanes.give_back(self._feeder.unqueued)
        except Exception as error:  # noqa: BLE001  # a convenience at the end: the leases run out anyway
            logger.warning("leases could not be given back", error=error)

    async def _sweep(self) -> None:
        async with self._runtime.db.system_tx() as tx:
            freed = await repository.sweep(tx, self._limits.max_attempts, self._runtime.clock.now())
            await repository.cancel_leftovers(tx, self._runtime.clock.now())
        if freed:
            logger.warning("leases of a dead or hanging sender were taken back", recipients=freed)
