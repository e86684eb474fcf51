"""Postgres and RabbitMQ in containers, for tests on machines where nothing else is there."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator

POSTGRES_IMAGE = "postgres:17-bookworm"
RABBITMQ_IMAGE = "rabbitmq:4-management"


def asked_for() -> bool:
    """Whether containers shall be used although servers on this machine would do."""
    return os.environ.get("TIDINGS_TEST_CONTAINERS") == "1"


@functools.cache
def available() -> bool:
    """Whether a Docker engine answers (DOCKER_HOST or the usual socket)."""
    try:
        import docker

        docker.from_env(timeout=3).ping()
    # The client raises whatever its transport raised: any of it means that nobody answers.
    except Exception:  # noqa: BLE001
        return False
    return True


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Administrator's URL of a throw-away server."""
    from testcontainers.postgres import PostgresContainer

    server = PostgresContainer(POSTGRES_IMAGE, username="postgres", password="postgres", dbname="postgres")
    server = server.with_command("postgres -c fsync=off -c full_page_writes=off -c max_connections=300")
    with server:
        yield str(server.get_connection_url(driver=None))


@contextlib.contextmanager
def rabbitmq() -> Iterator[str]:
    """AMQP URL of a throw-away broker."""
    from testcontainers.rabbitmq import RabbitMqContainer

    with RabbitMqContainer(RABBITMQ_IMAGE) as server:
        host, port = server.get_container_host_ip(), server.get_exposed_port(5672)
        yield f"amqp://guest:guest@{host}:{port}/"
