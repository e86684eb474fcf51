"""Hits of one person, judged beside each other."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from campaign_service.tracking.hits import Click, Hit, judge_person
from campaign_service.tracking.verdict import HitKind
from shared.utils import uuid7

REACHED = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LATER = REACHED + timedelta(hours=1)
PERSON = (uuid7(), uuid7(), uuid7())


def hit(seconds: float, link: int | None = 0, kind: HitKind = "click", method: str = "GET") -> Hit:
    at = LATER + timedelta(seconds=seconds)
    key = uuid7().bytes
    return Hit(*PERSON, kind, at, link, method, FIREFOX, "v", key)


def recorded(seconds: float, link: int, method: str = "GET") -> Click:
    return Click(link, LATER + timedelta(seconds=seconds), method, "human", uuid7().bytes)


def test_a_burst_makes_scanners_of_all_its_clicks() -> None:
    judged = judge_person([hit(0, 0), hit(0.5, 1), hit(1, 2)], [], REACHED, 5)
    assert [verdict for _, verdict in judged.verdicts] == ["scanner"] * 3


def test_clicks_on_record_are_judged_again_when_a_burst_shows() -> None:
    earlier = [recorded(0, 0), recorded(0.5, 1)]
    judged = judge_person([hit(1, 2)], earlier, REACHED, 5)
    assert [(click.was, click.verdict) for click in judged.rejudged] == [("human", "scanner")] * 2


def test_reading_through_the_links_slowly_is_human() -> None:
    judged = judge_person([hit(n * 10, n) for n in range(5)], [], REACHED, 5)
    assert {verdict for _, verdict in judged.verdicts} == {"human"}


def test_the_same_link_twice_is_no_burst() -> None:
    judged = judge_person([hit(0, 1), hit(1, 1), hit(1.5, 1)], [], REACHED, 5)
    assert {verdict for _, verdict in judged.verdicts} == {"human"}


def test_a_head_request_gives_away_the_get_that_follows() -> None:
    judged = judge_person([hit(0, 1, method="HEAD"), hit(1, 1)], [], REACHED, 5)
    assert {verdict for _, verdict in judged.verdicts} == {"scanner"}


def test_opens_do_not_make_a_burst() -> None:
    judged = judge_person([hit(0, None, "open"), hit(0.5, None, "open"), hit(1, 0)], [], REACHED, 5)
    assert {verdict for _, verdict in judged.verdicts} == {"human"}


def test_a_click_gets_the_index_of_its_link() -> None:
    click = replace(hit(0), link_index=None)
    assert click.with_link(["https://a.test", "https://b.test"], "https://b.test").link_index == 1
    assert click.with_link(["https://a.test"], "https://other.test").link_index is None


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), min_size=1, max_size=4))
def test_the_order_of_arrival_does_not_matter(places: list[tuple[int, int]]) -> None:
    hits = [hit(tenths / 10, link) for tenths, link in places]
    outcomes = set()
    for order in permutations(hits):
        on_record: list[Click] = []
        for single in order:
            judged = judge_person([single], on_record, REACHED, 4)
            changed = {click.dedupe_key for click in judged.rejudged}
            on_record = [
                replace(click, verdict="scanner") if click.dedupe_key in changed else click
                for click in on_record
            ]
            ((_, verdict),) = judged.verdicts
            on_record.append(Click(single.link_index, single.at, "GET", verdict, single.dedupe_key))
        outcomes.add(tuple(sorted(Counter(click.verdict for click in on_record).items())))
    assert len(outcomes) == 1
