"""Logs go to standard output as it is now, not as it was when logging was set up."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from shared.utils.logging import configure_logging, log_request, logger


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    configure_logging("error")


def test_a_stream_that_was_replaced_and_closed_is_not_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    former, now = io.StringIO(), io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", former)
        configure_logging("info")
    former.close()
    monkeypatch.setattr(sys, "stdout", now)

    logger.info("by structlog")
    log_request(path="/")
    logging.getLogger("other").warning("by the standard library")

    first, second, third = now.getvalue().splitlines()
    assert json.loads(first)["event"] == "by structlog"
    assert json.loads(second)["path"] == "/"
    assert "by the standard library" in third
