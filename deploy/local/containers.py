"""Postgres and RabbitMQ in containers, for tests on machines where nothing else is there."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from deploy.local.rabbitmq import speaks_amqp
from deploy.local.state import LocalStackError, wait_until

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

POSTGRES_IMAGE = "postgres:17-bookworm"
RABBITMQ_IMAGE = "rabbitmq:4-management"
AMQP_PORT = 5672


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


def _need_engine() -> None:
    if not available():
        raise LocalStackError("No Docker engine answers at DOCKER_HOST or the usual socket")


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Administrator's URL of a throw-away server."""
    from testcontainers.postgres import PostgresContainer

    _need_engine()
    server = PostgresContainer(POSTGRES_IMAGE, username="postgres", password="postgres", dbname="postgres")
    # In memory: each test copies a database.
    server.with_tmpfs_mount("/var/lib/postgresql/data")
    server.with_command("postgres -c fsync=off -c full_page_writes=off -c max_connections=300")
    with _started(server):
        yield f"{server.get_connection_url(driver=None)}?sslmode=disable"


@contextlib.contextmanager
def rabbitmq() -> Iterator[str]:
    """AMQP URL of a throw-away broker."""
    from testcontainers.core.container import DockerContainer

    _need_engine()
    with _started(DockerContainer(RABBITMQ_IMAGE).with_exposed_ports(AMQP_PORT)) as server:
        host, port = server.get_container_host_ip(), int(server.get_exposed_port(AMQP_PORT))
        if not wait_until(lambda: speaks_amqp(port, host), 120, every=0.2):
            raise LocalStackError("RabbitMQ in its container did not come up")
        yield f"amqp://guest:guest@{host}:{port}/"


@contextlib.contextmanager
def _started(container: DockerContainer) -> Iterator[DockerContainer]:
    try:
        container.start()
    # The client raises whatever its transport, the engine or the image registry gave it.
    except Exception as error:
        raise LocalStackError(f"The container of {container.image} could not be started: {error}") from error
    try:
        yield container
    finally:
        container.stop()
