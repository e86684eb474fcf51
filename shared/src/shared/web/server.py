"""Serving an app: what `python -m <service>` does."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI

from shared.config import CommonConfig, S, load_settings, service_spec
from shared.errors import ConfigurationError
from shared.utils.logging import configure_logging


def run_service(
    name: str,
    settings: type[S],
    create_app: Callable[[S], Any],
    serve_app: Callable[[Any, str, int], None] | None = None,
) -> int:
    """Read the settings, make the app and serve it until a signal; the exit status.

    HOST and PORT say where; the port of the service registry is the default. `serve_app` replaces `serve`
    for a service that needs another server.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {service_spec(name).package}")
    parser.add_argument(
        "--role", choices=["all", "api", "worker"], help="what this process does (default: all)"
    )
    role = parser.parse_known_args()[0].role
    if role:
        os.environ["SERVICE_ROLE"] = role
    try:
        config = load_settings(settings)
        app = create_app(config)
    except ConfigurationError as error:
        print(f"{name}: {error.message}", file=sys.stderr)  # noqa: T201  # logging is not set up yet
        return 2
    assert isinstance(config, CommonConfig)
    configure_logging(config.log_level, service=name)
    (serve_app or serve)(app, config.host, config.port or service_spec(name).port)
    return 0


def serve(app: FastAPI | Any, host: str, port: int) -> None:
    """uvicorn with httptools, the strictest parser of those tried, and uvloop where it exists."""
    uvicorn.run(
        app,
        host=host,
        port=port,
        http="httptools",
        ws="none",
        loop="auto",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=20,
        timeout_keep_alive=30,
    )
