"""One connection to RabbitMQ that is kept up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import aio_pika
from aio_pika.abc import AbstractConnection
from yarl import URL

from shared.events.relay import back_off
from shared.events.transports.base import TransportError
from shared.utils.logging import logger

CONNECT_TIMEOUT_SECONDS = 10.0
HEARTBEAT_SECONDS = 15

Setup = Callable[[AbstractConnection], Awaitable[None]]


def was_cancelled() -> bool:
    """True when the running task itself is being cancelled.

    A link that breaks ends waiting operations with CancelledError too, so the exception alone does not tell.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Link:
    """Connects, runs `setup`, waits for the end of the connection and begins again, until `stop`.

    A plain connection under our own supervision instead of aio-pika's robust one: after a break everything is
    declared anew by the same code that declared it at first, so there is one way to be connected, not two.
    """

    def __init__(self, url: str, name: str, setup: Setup) -> None:
        self._url = URL(url).update_query(heartbeat=str(HEARTBEAT_SECONDS))
        self._name = name
        self._setup = setup
        self._connection: AbstractConnection | None = None
        self._ready = asyncio.Event()
        self._broken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def is_connected(self) -> bool:
        return self._ready.is_set()

    def start(self) -> None:
        self._task = asyncio.create_task(self._supervise(), name=self._name)

    async def stop(self) -> None:
        """End the connection. A cancellation can get lost in a connection attempt, so it is repeated."""
        self._stopping = True
        while self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=1)

    async def connection(self, timeout: float = CONNECT_TIMEOUT_SECONDS) -> AbstractConnection:
        """The live connection, waiting up to `timeout` seconds for it. Raises `TransportError`."""
        try:
            await asyncio.wait_for(self._ready.wait(), timeout)
        except TimeoutError:
            raise TransportError("RabbitMQ is not connected") from None
        assert self._connection is not None
        return self._connection

    def reconnect(self, *_: Any) -> None:
        """Give up this connection and make a new one. Takes any arguments, so that it can be a callback."""
        self._broken.set()

    async def _supervise(self) -> None:
        failures = 0
        while not self._stopping:
            try:
                await self._live()
                failures = 0
            except asyncio.CancelledError:
                if was_cancelled():
                    raise
            except Exception as error:  # noqa: BLE001  # any fault of the link means: connect again
                failures += 1
                logger.warning("RabbitMQ is out of reach", link=self._name, error=error)
            await asyncio.sleep(back_off(max(failures, 1)))

    async def _live(self) -> None:
        """One connection from its beginning to its end."""
        self._broken.clear()
        connection = await aio_pika.connect(
            self._url,
            timeout=CONNECT_TIMEOUT_SECONDS,
            client_properties={"connection_name": self._name},
        )
        connection.close_callbacks.add(self.reconnect)
        self._connection = connection
        try:
            await self._setup(connection)
            self._ready.set()
            logger.info("connected to RabbitMQ", link=self._name)
            await self._broken.wait()
            logger.warning("the connection to RabbitMQ ended", link=self._name)
        finally:
            self._ready.clear()
            await _close(connection)


async def _close(connection: AbstractConnection) -> None:
    """Close without waiting long for a server that may be gone."""
    with contextlib.suppress(Exception, asyncio.CancelledError):
        await asyncio.wait_for(connection.close(), 3)


def server_version(connection: AbstractConnection) -> tuple[int, int]:
    """Major and minor version the broker told at the start of the connection; (0, 0) when it told none."""
    transport = connection.transport
    properties = getattr(transport.connection, "server_properties", None) if transport else None
    text = str((properties or {}).get("version", "0.0"))
    parts = [int(part) if part.isdigit() else 0 for part in text.split(".")[:2]]
    return parts[0], parts[1] if len(parts) > 1 else 0
