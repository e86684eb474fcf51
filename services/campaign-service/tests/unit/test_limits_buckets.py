"""Token buckets: what they hold, and when there will be enough."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from campaign_service.limits.buckets import Bucket

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def bucket(per_minute: float = 60, burst: int = 5, tokens: float = 0) -> Bucket:
    return Bucket("tenant", "", per_minute, burst, tokens, NOW)


def test_a_bucket_fills_up_to_its_burst() -> None:
    assert bucket().at(NOW + timedelta(seconds=3)).room == 3
    assert bucket().at(NOW + timedelta(hours=1)).room == 5
    assert bucket(tokens=4).at(NOW - timedelta(hours=1)).room == 4


@given(
    st.floats(0.5, 100_000),
    st.integers(1, 1000),
    st.lists(st.tuples(st.floats(0.01, 300), st.integers(0, 2000)), max_size=40),
)
def test_no_more_goes_than_the_rate_and_one_burst(
    per_minute: float, burst: int, steps: list[tuple[float, int]]
) -> None:
    held, sent, passed = bucket(per_minute, burst, burst), 0, 0.0
    for seconds, wanted in steps:
        passed += seconds
        held = held.at(NOW + timedelta(seconds=passed))
        taken = min(held.room, wanted)
        held, sent = held.less(taken), sent + taken
        assert held.tokens > -0.001
    assert sent <= burst + passed * per_minute / 60 + 0.001


def test_late_mails_wait_until_there_are_tokens_for_all_of_them() -> None:
    late = bucket(tokens=0.5)
    assert late.at(late.next_at(3)).room >= 3
    assert bucket(tokens=1).next_at(1) >= NOW + timedelta(seconds=1)
