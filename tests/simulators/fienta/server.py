"""Serving the site."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from tests.simulators.fienta.app import make_app
from tests.simulators.fienta.state import Site


def make_server(site: Site, *, verbose: bool = False) -> uvicorn.Server:
    level = "info" if verbose else "critical"
    config = uvicorn.Config(
        make_app(site), log_level=level, access_log=verbose, timeout_graceful_shutdown=1, lifespan="off"
    )
    return uvicorn.Server(config)


def listening(port: int = 0) -> socket.socket:
    """A socket on 127.0.0.1, on a free port for 0; who connects now waits until it is served."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    return listener


@contextmanager
def running(site: Site, port: int = 0) -> Iterator[str]:
    """The site, served by a thread; its address, such as `http://127.0.0.1:41234`."""
    server = make_server(site)
    with listening(port) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True, name="fienta simulator")
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
