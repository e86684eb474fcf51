"""An order is the same whatever order its webhooks come in."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from code_service.orders.facts import OrderFact, fold, further, is_news, status_of

START = datetime(2025, 9, 15, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def fact(number: int, status: Any = None, at: int | None = None, **details: Any) -> OrderFact:
    """The webhook that was received `number` minutes after the start and says it happened at minute `at`."""
    return OrderFact(
        external_id="o1",
        inbound_id=UUID(int=number),
        received_at=START + number * MINUTE,
        status=status,
        at=None if at is None else START + at * MINUTE,
        details=details,
    )


facts = st.lists(
    st.builds(
        fact,
        st.integers(0, 50),
        st.sampled_from([None, "pending", "completed", "cancelled", "refunded"]),
        st.none() | st.integers(-50, 50),
        total_minor=st.none() | st.integers(0, 3),
        codes=st.lists(st.sampled_from("AB"), max_size=1),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda one: one.inbound_id,
)


@given(facts, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(known: list[OrderFact], chance: random.Random) -> None:
    shuffled = list(known)
    chance.shuffle(shuffled)
    assert fold(shuffled) == fold(known)


def place(one: OrderFact) -> tuple[datetime | None, str]:
    """What orders facts that tell their time. One without a status is about an order that goes on."""
    return one.at, one.status or "completed"


@given(facts, st.integers(51, 60))
@example([fact(2, None, 0, total_minor=1), fact(1, "completed", 0, total_minor=0)], 51)
def test_a_later_repeat_is_no_news(known: list[OrderFact], number: int) -> None:
    """With times of their own, no two the same; else a repeat of something old could be a correction."""
    timed = [one for one in known if one.at is not None]
    for one in timed:
        again = OrderFact(
            external_id="o1",
            inbound_id=UUID(int=number),
            received_at=START + number * MINUTE,
            status=one.status,
            at=one.at,
            details=one.details,
        )
        others = [other for other in timed if place(other) != place(one)]
        assert not is_news(fold([*others, one]), fold([*others, one, again]))


def test_a_refund_before_its_order_is_kept() -> None:
    state = fold([fact(1, "refunded"), fact(2, "pending", total_minor=5), fact(3, "completed")])
    assert (state.status, state.total_minor, state.status_at) == ("refunded", 5, START + MINUTE)


def test_the_newest_wins_when_all_tell_their_time() -> None:
    paid_again = [fact(1, "completed", 30), fact(2, "cancelled", 20), fact(3, "completed", 10)]
    state = fold(paid_again)
    assert (state.status, state.status_at) == ("completed", START + 30 * MINUTE)
    assert fold([*paid_again, fact(4, "refunded")]).status == "refunded"


def test_at_the_same_time_the_furthest_status_wins() -> None:
    assert fold([fact(2, "completed", 5), fact(1, "pending", 5)]).status == "completed"


def test_fields_come_from_the_last_that_has_them() -> None:
    state = fold(
        [
            fact(1, "pending", total_minor=100, customer_email="a@example.com", codes=["A"]),
            fact(2, "completed", total_minor=80, customer_email=None, codes=[]),
        ]
    )
    assert (state.total_minor, state.customer_email, state.codes) == (80, "a@example.com", ("A",))


def test_a_late_beginning_fills_gaps_and_overrides_nothing() -> None:
    state = fold([fact(1, "completed", total_minor=80), fact(2, "pending", total_minor=100, currency="EUR")])
    assert (state.status, state.total_minor, state.currency) == ("completed", 80, "EUR")


def test_words_of_status() -> None:
    words = {
        "COMPLETED": "completed",
        "order.created": "pending",
        "order_completed": "completed",
        "order.canceled": "cancelled",
    }
    assert {word: status_of(word) for word in words} == words
    assert [status_of(word) for word in ("USED", "order.updated", "", None, 3)] == [None] * 5
    assert further("completed", None, "refunded", "pending") == "refunded"
