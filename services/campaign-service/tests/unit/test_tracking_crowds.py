"""One visitor for many people."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from campaign_service.tracking.rejudging.crowds import Crowds
from campaign_service.tracking.verdict import Circumstances, Verdict, judge

MINUTE = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.mark.parametrize(
    ("second", "found"), [(0, True), (59, True), (60, False), (-1, False), (29, True), (30, True)]
)
def test_an_even_window_is_the_minute(second: int, found: bool) -> None:
    crowds = Crowds({("v", "p", 2 * int(MINUTE.timestamp() // 60))})
    assert crowds.has("v", "p", datetime.fromtimestamp(MINUTE.timestamp() + second, UTC)) is found


@pytest.mark.parametrize(("second", "found"), [(-31, False), (-30, True), (0, True), (29, True), (30, False)])
def test_an_odd_window_lies_across_the_minute(second: int, found: bool) -> None:
    crowds = Crowds({("v", "p", 2 * int(MINUTE.timestamp() // 60) - 1)})
    assert crowds.has("v", "p", datetime.fromtimestamp(MINUTE.timestamp() + second, UTC)) is found


def test_who_is_not_known_is_no_crowd() -> None:
    number = 2 * int(MINUTE.timestamp() // 60)
    assert not Crowds({("", "p", number)}).has("", "p", MINUTE)
    assert not Crowds({("v", "p", number)}).has("v", "q", MINUTE)
    assert not Crowds(set()).has("v", "p", MINUTE)


@pytest.mark.parametrize(
    ("agent", "sign", "verdict"),
    [
        (FIREFOX, {}, "human"),
        (FIREFOX, {"in_crowd": True}, "scanner"),
        (FIREFOX, {"met_trap": True}, "scanner"),
        ("Mozilla/5.0 (via ggpht.com GoogleImageProxy)", {"in_crowd": True}, "proxy"),
        ("YahooMailProxy; https://help.yahoo.com", {"in_crowd": True}, "proxy"),
        ("Mozilla/5.0", {"in_crowd": True}, "proxy"),
    ],
)
def test_a_crowd_is_a_scanner_unless_it_is_a_mail_services_proxy(
    agent: str, sign: dict[str, bool], verdict: Verdict
) -> None:
    seen = Circumstances(kind="open", method="GET", user_agent=agent, at=MINUTE, reached_at=None, **sign)
    assert judge(seen) == verdict
