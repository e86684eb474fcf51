"""Test tiers: the folder a test lies in says what it may touch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Loading it first also gives the name `shared` to the installed package, not to the folder of that name.
# Only the tests at the root have __init__.py files: else all folders would be one package called `tests`.
pytest_plugins = ["shared.testing.plugin"]

TIERS = ("unit", "integration", "e2e")
#: Files that take longest. They begin first, so that no processor waits for one of them at the end.
LONG = (
    "test_demo.py",
    "test_bad_input.py",
    "test_crash_sending.py",
    "test_every_route.py",
    "test_sending_worker.py",
    "test_rabbitmq.py",
    "test_lifecycle_machine.py",
    "test_session_machine.py",
    "test_jobs_leases.py",
    "test_automation_browser.py",
    "test_automation_interrupted.py",
    "test_daily_killed.py",
    "test_allocation_killed.py",
    "test_fienta_processes.py",
    "test_imports_process.py",
    "test_memory.py",
)
CHROMIUM = os.environ.get("FIENTA_CHROMIUM", "/usr/bin/chromium")


def _folders(item: pytest.Item) -> tuple[str, ...]:
    return item.path.relative_to(item.config.rootpath).parts


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Tests of a tier that is not asked for are not even read."""
    tier, asked = collection_path.name, config.getoption("markexpr")
    left_out = asked == f"not {tier}" or (asked in TIERS and asked != tier)
    return True if left_out and tier in TIERS and collection_path.is_dir() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))
    for item in items:
        tier = next((part for part in reversed(_folders(item)) if part in TIERS), "unit")
        item.add_marker(tier)
        if tier == "unit":
            item.add_marker("disable_socket")
        if item.get_closest_marker("rabbitmq") and not os.environ.get("TEST_AMQP_URL"):
            item.add_marker(pytest.mark.skip(reason="no RabbitMQ: TEST_AMQP_URL is not set"))
        if item.get_closest_marker("chromium") and not os.access(CHROMIUM, os.X_OK):
            item.add_marker(pytest.mark.skip(reason=f"no Chromium: {CHROMIUM} is not there"))
