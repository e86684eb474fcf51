"""From a messy CSV to honest statistics, through every layer, on both event transports."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from demo.main import run
from tests.e2e.system import System


@pytest.mark.parametrize("name", ["on_postgres", pytest.param("on_rabbitmq", marks=pytest.mark.rabbitmq)])
def test_every_figure_of_the_demo_is_right(name: str, request: pytest.FixtureRequest) -> None:
    system: System = request.getfixturevalue(name)
    out = io.StringIO()
    status = run(
        system.url,
        system.stack.mailcatcher_url,
        events=system.stack.events,
        rows=1200,
        # A browser works the same on both transports; once is enough.
        outside=system.outside if name == "on_postgres" else replace(system.outside, fienta=0),
        out=out,
    )
    assert status == 0, out.getvalue()
