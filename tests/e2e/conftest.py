"""One installation per event transport and process of the run, started when the first test asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e.system import Customer, System, running_system


@pytest.fixture(scope="session")
def on_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Events over Postgres."""
    with running_system(tmp_path_factory.mktemp("on-postgres"), "postgres://") as system:
        yield system


@pytest.fixture(scope="session")
def on_rabbitmq(amqp_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Events over RabbitMQ."""
    with running_system(tmp_path_factory.mktemp("on-rabbitmq"), amqp_url) as system:
        yield system


@pytest.fixture
def system(request: pytest.FixtureRequest) -> System:
    """The distributed installation where there is a broker, else the embedded one."""
    name = "on_rabbitmq" if os.environ.get("TEST_AMQP_URL") else "on_postgres"
    chosen: System = request.getfixturevalue(name)
    return chosen


@pytest.fixture
def customer(system: System) -> Customer:
    """A tenant of this test's own."""
    return system.sign_up()
