"""What a test run says about what is not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.local.testrun import Servers, _missing, _runs

EVERYTHING = {
    "TEST_AMQP_URL": "amqp://localhost/",
    "TEST_REDIS_SERVER": "/usr/bin/redis-server",
    "FIENTA_CHROMIUM": "/usr/bin/chromium",
}


@pytest.fixture(autouse=True)
def nothing_required(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", *(f"TIDINGS_REQUIRE_{what}" for what in ("RABBITMQ", "REDIS", "CHROMIUM"))):
        monkeypatch.delenv(name, raising=False)


def test_a_machine_may_lack_a_broker_a_cache_and_a_browser() -> None:
    assert _missing({}) == []


def test_in_ci_all_of_it_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert _missing(EVERYTHING) == []
    assert [line.split()[0] for line in _missing({})] == ["RabbitMQ", "Redis", "Chromium"]


def test_each_can_be_required_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_REQUIRE_CHROMIUM", "1")
    assert _missing({}) == ["Chromium is required here (CI or TIDINGS_REQUIRE_CHROMIUM=1)."]


def test_a_browser_that_is_not_there_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FIENTA_CHROMIUM", str(tmp_path / "chromium"))
    servers = Servers(tmp_path)
    servers.look_for_chromium()
    assert servers.settings == {}
    assert len(servers.notes) == 1
    assert str(tmp_path / "chromium") in servers.notes[0]


def test_a_browser_that_is_there_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "chromium"
    program.touch(mode=0o755)
    monkeypatch.setenv("FIENTA_CHROMIUM", str(program))
    servers = Servers(tmp_path)
    servers.look_for_chromium()
    assert servers.settings == {"FIENTA_CHROMIUM": str(program)}


def test_a_given_cache_is_used_or_else_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TEST_REDIS_URL", raising=False)
    (nothing := Servers(tmp_path)).look_for_redis()
    assert (nothing.settings, len(nothing.notes)) == ({}, 1)
    program = tmp_path / "redis-server"
    program.touch(mode=0o755)
    (installed := Servers(tmp_path)).look_for_redis()
    assert installed.settings == {"TEST_REDIS_SERVER": str(program)}
    monkeypatch.setenv("TEST_REDIS_URL", "redis://localhost/")
    (given := Servers(tmp_path)).look_for_redis()
    assert given.settings == {"TEST_REDIS_URL": "redis://localhost/"}


def test_whole_systems_are_tried_after_all_else_two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    first, second = _runs("all", [])
    assert first[:4] == ["-m", "not e2e", "-n", "3"]
    assert second[:4] == _runs("e2e", [])[0][:4] == ["-m", "e2e", "-n", "2"]


@pytest.mark.parametrize("extra", [["-n0"], ["--pdb"], ["-n", "3"]])
def test_pytests_own_word_on_workers_is_kept(extra: list[str]) -> None:
    assert _runs("integration", extra) == [["-m", "integration"]]
