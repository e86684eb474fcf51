"""Servers for tests and development that stay up between runs, until stopped."""

from __future__ import annotations

import shlex
from pathlib import Path

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer, find_server
from deploy.local.state import exclusive, private_dir


def start(folder: Path) -> dict[str, str]:
    """Start what is not running yet below `folder`; returns the settings that tests read."""
    private_dir(folder)
    with exclusive(folder / "lock"):
        settings = {"TEST_POSTGRES_DSN": PostgresServer(folder / "postgres", durable=False).start()}
        if find_server():
            settings["TEST_AMQP_URL"] = RabbitServer(folder / "rabbitmq").start()
    return settings


def stop(folder: Path) -> None:
    """Stop what runs below `folder`; harmless when nothing does."""
    if not folder.is_dir():
        return
    with exclusive(folder / "lock"):
        PostgresServer(folder / "postgres", durable=False).stop()
        RabbitServer(folder / "rabbitmq").stop()


def exports(settings: dict[str, str]) -> str:
    """Shell lines that set `settings`."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in settings.items())
