"""From a messy CSV to honest statistics, through every layer, on both event transports."""

from __future__ import annotations

import io

import pytest

from demo.main import run
from deploy.local.outside import Outside
from tests.e2e.system import System


@pytest.mark.parametrize("name", ["on_postgres", pytest.param("on_rabbitmq", marks=pytest.mark.rabbitmq)])
def test_every_figure_of_the_demo_is_right(name: str, request: pytest.FixtureRequest) -> None:
    system: System = request.getfixturevalue(name)
    # Simulated systems are the same on both transports: once without, as against any other installation.
    everything, little = system.outside, Outside(intake=system.outside.intake)
    out = io.StringIO()
    status = run(
        system.url,
        system.stack.mailcatcher_url,
        events=system.stack.events,
        rows=1200,
        outside=everything if name == "on_postgres" else little,
        out=out,
    )
    assert status == 0, out.getvalue()
    assert ("Left out" in out.getvalue()) == (name == "on_rabbitmq")
