"""The rules by which a hit is judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from campaign_service.tracking.verdict import Circumstances, is_burst, judge

DELIVERED = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
OPEN = Circumstances(
    kind="open",
    method="GET",
    user_agent=FIREFOX,
    at=DELIVERED + timedelta(minutes=5),
    reached_at=DELIVERED,
)
CLICK = replace(OPEN, kind="click")


@pytest.mark.parametrize("hit", [OPEN, CLICK, replace(OPEN, reached_at=None)])
def test_a_browser_some_time_after_delivery_is_human(hit: Circumstances) -> None:
    assert judge(hit) == "human"


@pytest.mark.parametrize(
    "agent",
    [
        "Googlebot/2.1",
        "curl/8.0",
        "python-requests/2.32",
        "Mozilla/5.0 (compatible; Barracuda Sentinel)",
        "HeadlessChrome/1",
    ],
)
def test_programs_that_say_so_are_scanners(agent: str) -> None:
    assert judge(replace(OPEN, user_agent=agent)) == "scanner"


def test_a_phone_whose_brand_ends_in_bot_is_not_a_robot() -> None:
    assert (
        judge(replace(OPEN, user_agent="Mozilla/5.0 (Linux; Android 14; CUBOT KINGKONG) Chrome/140"))
        == "human"
    )


@pytest.mark.parametrize(
    "agent", ["Mozilla/5.0 (via ggpht.com GoogleImageProxy)", "YahooMailProxy; https://x", "Mozilla/5.0"]
)
def test_mail_services_image_fetchers_are_proxies(agent: str) -> None:
    assert judge(replace(OPEN, user_agent=agent, at=DELIVERED)) == "proxy"


def test_a_click_with_the_prefetchers_name_is_unknown() -> None:
    assert judge(replace(CLICK, user_agent="Mozilla/5.0")) == "unknown"


@pytest.mark.parametrize("agent", ["", "SomethingElse/1.0"])
def test_agents_that_say_nothing_are_unknown(agent: str) -> None:
    assert judge(replace(OPEN, user_agent=agent)) == "unknown"


@pytest.mark.parametrize("seconds", [-5, 0, 2])
def test_before_or_at_delivery_is_a_scanner(seconds: int) -> None:
    assert judge(replace(CLICK, at=DELIVERED + timedelta(seconds=seconds))) == "scanner"


def test_just_after_the_delivery_window_is_human() -> None:
    assert judge(replace(CLICK, at=DELIVERED + timedelta(seconds=2, milliseconds=1))) == "human"


@pytest.mark.parametrize(
    "hit", [replace(CLICK, method="HEAD"), replace(CLICK, was_probed=True), replace(CLICK, in_burst=True)]
)
def test_head_requests_and_bursts_are_scanners(hit: Circumstances) -> None:
    assert judge(hit) == "scanner"


@pytest.mark.parametrize(
    ("near", "count", "expected"), [(1, 1, False), (2, 2, True), (2, 5, False), (3, 5, True), (1, 0, False)]
)
def test_a_burst_is_three_links_or_both_of_two(near: int, count: int, expected: bool) -> None:
    assert is_burst(near, count) is expected
