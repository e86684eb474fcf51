"""Rows may come in any order and any number of times: the recipient and the figures end the same."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_service.campaigns.states import RecipientState
from campaign_service.deliveries.merge import RecipientFacts, contributions, merge
from campaign_service.deliveries.rows import BounceClass, Fact
from campaign_service.stats.deltas import Deltas
from shared.utils import uuid7

START = datetime(2026, 3, 1, 23, 50, tzinfo=UTC)
ACCEPTED = RecipientFacts("accepted", accepted_at=START)


@dataclass(frozen=True)
class Row:
    fact: Fact
    occurred_at: datetime
    bounce_class: BounceClass | None = None


def row(fact: Fact, minutes: int, bounce_class: BounceClass | None = None) -> Row:
    return Row(fact, START + timedelta(minutes=minutes), bounce_class)


ROWS = st.builds(
    row,
    st.sampled_from(["delivered", "deferred", "complained"]),
    st.integers(0, 40),
) | st.builds(row, st.just("bounced"), st.integers(0, 40), st.sampled_from(["hard", "soft", "other"]))


@given(st.lists(ROWS, max_size=8), st.randoms(use_true_random=False), st.lists(st.integers(0, 8), max_size=3))
def test_any_order_and_any_batches_end_the_same(
    rows: list[Row], shuffle: random.Random, cuts: list[int]
) -> None:
    together = merge(ACCEPTED, rows)
    mixed = [*rows, *rows[:3]]
    shuffle.shuffle(mixed)
    facts, deltas, tenant, campaign = ACCEPTED, Deltas(), uuid7(), uuid7()
    edges = sorted({0, len(mixed), *(cut for cut in cuts if cut < len(mixed))})
    for start, end in pairwise(edges):
        new = merge(facts, mixed[start:end])
        for sign, side in ((-1, facts), (1, new)):
            for moment, column in contributions(side):
                deltas.add(tenant, campaign, moment, column, sign)
        facts = new
    assert facts == together
    expected = Deltas()
    for sign, side in ((-1, ACCEPTED), (1, together)):
        for moment, column in contributions(side):
            expected.add(tenant, campaign, moment, column, sign)
    assert deltas.rows() == expected.rows()


@given(st.lists(ROWS, max_size=8))
def test_a_recipient_counts_once_under_one_outcome(rows: list[Row]) -> None:
    counted = Counter(column for _, column in contributions(merge(ACCEPTED, rows)))
    outcomes = ("delivered", "bounced_hard", "bounced_soft", "bounced_other", "failed", "ambiguous")
    assert sum(counted[name] for name in outcomes) <= 1
    assert set(counted.values()) <= {1}
    assert counted["sent"] == 1


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        ([row("delivered", 1)], "delivered"),
        ([row("deferred", 1)], "accepted"),
        ([row("delivered", 1), row("bounced", 5, "hard")], "bounced_hard"),
        ([row("bounced", 5, "hard"), row("delivered", 9)], "bounced_hard"),
        ([row("bounced", 5, "soft"), row("bounced", 6, "hard")], "bounced_hard"),
        ([row("bounced", 5, "hard"), row("bounced", 6, "soft")], "bounced_hard"),
        ([row("bounced", 5, "other")], "failed"),
        ([row("complained", 5), row("delivered", 6)], "complained"),
    ],
)
def test_states_after_rows(rows: Sequence[Row], state: RecipientState) -> None:
    assert merge(ACCEPTED, rows).state == state


@pytest.mark.parametrize("state", ["queued", "leased", "attempting", "failed_retry", "ambiguous"])
def test_a_row_proves_that_the_mail_was_accepted(state: RecipientState) -> None:
    merged = merge(RecipientFacts(state, updated_at=START), [row("deferred", 3)])
    assert merged.state == "accepted"
    assert merged.accepted_at == START + timedelta(minutes=3)


def test_an_ambiguous_mail_that_was_delivered_leaves_the_ambiguous_figure() -> None:
    old = RecipientFacts("ambiguous", updated_at=START)
    assert [column for _, column in contributions(old)] == ["ambiguous"]
    assert [column for _, column in contributions(merge(old, [row("delivered", 1)]))] == ["sent", "delivered"]


def test_a_refusal_the_sender_saw_itself_keeps_its_class() -> None:
    old = RecipientFacts("bounced_hard", updated_at=START)
    merged = merge(old, [row("bounced", 5, "soft")])
    assert (merged.state, merged.bounce_class, merged.bounced_at) == ("bounced_hard", "hard", START)
