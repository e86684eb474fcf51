"""The connections: each takes a window, marks it as in flight, sends it and hands its outcomes on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress

from campaign_service.rendering import OutgoingMail, RenderError
from shared.utils import logger
from shared.web import Runtime

from . import repository
from .model import Claimed, Limits, Result, Window
from .outcomes import Accepted, NotSent, Outcome, Rejected
from .outlets import Connection, Outlet
from .recording import Recorder, result_of, unsendable

_IDLE_CLOSE_SECONDS = 5.0
_POLL_SECONDS = 0.5


class _Lane:
    """One connection (while there is one) and the record of what it sent last."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.recorded.set_result(None)

    async def close(self) -> None:
        connection, self.connection = self.connection, None
        if connection:
            await connection.quit()


class Lanes:
    """All connections of this process and the windows they have in flight."""

    def __init__(
        self,
        runtime: Runtime,
        outlet: Outlet,
        limits: Limits,
        windows: asyncio.Queue[Window],
        recorder: Recorder,
        stop: asyncio.Event,
    ) -> None:
        self.in_flight: set[_Flight] = set()
        self._runtime = runtime
        self._outlet = outlet
        self._limits = limits
        self._windows = windows
        self._recorder = recorder
        self._stop = stop

    async def run(self) -> None:
        """Until `stop`; what is in flight then is finished first."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._limits.connections):
                group.create_task(self._lane())

    async def _lane(self) -> None:
        lane = _Lane()
        try:
            while not self._stop.is_set():
                window = await self._next(lane)
                if window is not None:
                    await self._serve(lane, window)
                elif lane.connection:
                    await lane.close()
        finally:
            await lane.close()

    async def _serve(self, lane: _Lane, window: Window) -> None:
        """Connects if need be and sends one window."""
        try:
            await self._connect(lane)
            if lane.connection is None:
                await self._give_back(window)
            elif flight := await self._mark(window):
                await self._send(lane.connection, lane, flight)
        except Exception as error:  # noqa: BLE001  # the other lanes' mails must not suffer; these leases run out
            logger.warning("a window was given up; its leases run out", mails=len(window.rows), error=error)
            await lane.close()
            await asyncio.sleep(_POLL_SECONDS)

    async def _next(self, lane: _Lane) -> Window | None:
        """The next window; None after a while without one, or when it is time to stop."""
        waited = 0.0
        patience = _IDLE_CLOSE_SECONDS if lane.connection else 3600.0
        while not self._stop.is_set() and waited < patience:
            with suppress(asyncio.QueueEmpty):
                return self._windows.get_nowait()
            with suppress(TimeoutError):
                return await asyncio.wait_for(self._windows.get(), _POLL_SECONDS)
            waited += _POLL_SECONDS
        return None

    async def _connect(self, lane: _Lane) -> None:
        """Gives the lane a usable connection, or none when there is none to be had."""
        connection = lane.connection
        is_fresh = connection and connection.usable and connection.sent < self._limits.connection_mails
        if connection and is_fresh and self._outlet.keeps(connection):
            return
        await lane.close()
        lane.connection = await self._outlet.connect(self._stop)

    async def _send(self, connection: Connection, lane: _Lane, flight: _Flight) -> None:
        self.in_flight.add(flight)
        try:
            # the window before this one must be on record: no lane ever has more than two unrecorded
            await lane.recorded
            results = await flight.run(connection, self._limits, self._runtime)
            lane.recorded = self._recorder.add(flight.window.key, results)
        finally:
            self.in_flight.discard(flight)
        await self._outlet.heard(connection, answered=flight.answered, turned_away=flight.turned_away)

    async def _mark(self, window: Window) -> _Flight | None:
        """The window as marked in the database; None when nothing of it may be sent (any more)."""
        lease = self._limits.lease
        ids = [row.recipient.contact_id for row in window.rows]
        begun = asyncio.get_running_loop().time()
        async with self._runtime.db.tenant_tx(window.key.tenant_id) as tx:
            ours = await repository.mark_attempting(tx, window.key, window.token, ids, lease)
            if len(ours) < len(ids):
                await repository.release(tx, window.key, window.token, ids)
        window.rows = [row for row in window.rows if row.recipient.contact_id in ours]
        window.deadline = begun + lease
        return _Flight(window) if ours else None

    async def _give_back(self, window: Window) -> None:
        ids = [row.recipient.contact_id for row in window.rows]
        async with self._runtime.db.tenant_tx(window.key.tenant_id) as tx:
            await repository.release(tx, window.key, window.token, ids)

    async def give_back(self, windows: Iterable[Window]) -> None:
        """Release what was leased and never taken, in the queue and in `windows`."""
        for window in windows:
            await self._give_back(window)
        while not self._windows.empty():
            await self._give_back(self._windows.get_nowait())

    async def renew_leases(self) -> None:
        """Renew the leases of what has been in flight for a third of its lease."""
        lease = self._limits.lease
        for flight in list(self.in_flight):
            window, begun = flight.window, asyncio.get_running_loop().time()
            if window.deadline - begun > lease * 2 / 3:
                continue
            ids = [row.recipient.contact_id for row in window.rows]
            async with self._runtime.db.tenant_tx(window.key.tenant_id) as tx:
                await repository.renew(tx, window.key, window.token, ids, lease)
            window.deadline = begun + lease


class _Flight:
    """One window on one connection."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.answered = False
        self.turned_away = False
        self._waiting: deque[Claimed] = deque(window.rows)
        self._given: deque[Claimed] = deque()
        self._results: list[Result] = []

    async def run(self, connection: Connection, limits: Limits, runtime: Runtime) -> list[Result]:
        """One result per recipient of the window."""
        token = self.window.token
        async for outcome in connection.stream(self._mails()):
            self._note(outcome)
            claimed = self._given.popleft()
            self._results.append(result_of(claimed, token, outcome, limits, runtime.clock.now()))
        for claimed in (*self._given, *self._waiting):
            rest = NotSent("its turn did not come", tried=False)
            self._results.append(result_of(claimed, token, rest, limits, runtime.clock.now()))
        return self._results

    def _note(self, outcome: Outcome) -> None:
        """A refusal for now before anybody was named is the server's trouble, not the recipient's."""
        if isinstance(outcome, Rejected) and outcome.stage == "mail" and outcome.kind == "retry":
            self.turned_away = not self.answered
        elif isinstance(outcome, Accepted | Rejected):
            self.answered, self.turned_away = True, False

    def _mails(self) -> Iterator[OutgoingMail]:
        loop = asyncio.get_running_loop()
        while self._waiting and loop.time() < self.window.deadline:
            claimed = self._waiting.popleft()
            try:
                mail = self.window.compiled.mail(claimed.recipient)
            except RenderError as error:
                self._results.append(unsendable(claimed, self.window.token, str(error)))
                continue
            self._given.append(claimed)
            yield mail
