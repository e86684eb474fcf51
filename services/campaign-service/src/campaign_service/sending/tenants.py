"""Lanes of tenants with providers of their own: a slow or broken one holds up nobody else's mail."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import UUID

from campaign_service.channels import repository
from campaign_service.channels.outlets import TenantOutlet
from shared.database import Tx
from shared.utils import logger
from shared.web import Runtime

from .lanes import Lanes
from .model import Limits, Window
from .recording import Recorder

_CONNECTIONS = 50
_AHEAD = 8


@dataclass(slots=True)
class Own:
    """One tenant's lanes. `version` changes with its settings."""

    version: str
    outlet: TenantOutlet
    windows: asyncio.Queue[Window]
    lanes: Lanes
    stop: asyncio.Event
    task: asyncio.Task[None]

    @property
    def room(self) -> int:
        """Windows that can be put without waiting."""
        return self.windows.maxsize - self.windows.qsize()


class TenantLanes:
    """Starts lanes when a tenant with providers begins to send, ends them when that changes."""

    def __init__(self, runtime: Runtime, limits: Limits, recorder: Recorder) -> None:
        self._runtime = runtime
        self._limits = limits
        self._recorder = recorder
        self._own: dict[UUID, Own] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def refresh(self, tx: Tx) -> None:
        """Take in which tenants have providers, as they are now."""
        routes = await repository.routes(tx)
        for tenant_id, own in list(self._own.items()):
            if routes.get(tenant_id, ("", 0))[0] != own.version or own.task.done():
                self._end(self._own.pop(tenant_id))
        for tenant_id, (version, connections) in routes.items():
            if tenant_id not in self._own:
                self._own[tenant_id] = self._start(tenant_id, version, connections)

    def of(self, tenant_id: UUID) -> Own | None:
        """None: the installation's mail server sends for this tenant."""
        return self._own.get(tenant_id)

    async def renew_leases(self) -> None:
        for own in list(self._own.values()):
            await own.lanes.renew_leases()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; what is in flight then is finished first, the rest given back."""
        await stop.wait()
        while self._own:
            self._end(self._own.popitem()[1])
        await asyncio.gather(*self._ending)

    def _start(self, tenant_id: UUID, version: str, connections: int) -> Own:
        limits = replace(self._limits, connections=min(connections, _CONNECTIONS))
        outlet, stop = TenantOutlet(self._runtime, tenant_id), asyncio.Event()
        windows: asyncio.Queue[Window] = asyncio.Queue(limits.connections + _AHEAD)
        lanes = Lanes(self._runtime, outlet, limits, windows, self._recorder, stop)
        return Own(version, outlet, windows, lanes, stop, asyncio.create_task(lanes.run()))

    def _end(self, own: Own) -> None:
        own.stop.set()
        task = asyncio.create_task(self._wind_down(own))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _wind_down(self, own: Own) -> None:
        with suppress(asyncio.CancelledError):
            await own.task
        try:
            await own.lanes.give_back(())
        except Exception as error:  # noqa: BLE001  # a convenience: the leases run out anyway
            logger.warning("leases could not be given back", error=error)
