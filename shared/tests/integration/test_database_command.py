"""`python -m shared.database migrate`, run as an operator runs it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "MIGRATE_DATABASE_URL and DATABASE_ROLE_SECRET must be set"),
        (
            {"MIGRATE_DATABASE_URL": "postgresql://127.0.0.1:1/none", "DATABASE_ROLE_SECRET": "s"},
            "The database refused: ",
        ),
        ({"MIGRATE_DATABASE_URL": "nowhere", "DATABASE_ROLE_SECRET": "s"}, "The database refused: "),
    ],
)
def test_what_cannot_be_migrated_is_said_in_one_line(settings: dict[str, str], told: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.endswith(("_URL", "_SECRET"))}
    done = subprocess.run(
        [sys.executable, "-m", "shared.database", "migrate"],
        env=kept | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(told)
    assert len(done.stderr.splitlines()) == 1
