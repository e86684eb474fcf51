"""Batches are as large as the numbers are fast, and no number sends faster than it may."""

from __future__ import annotations

import itertools

import pytest

from campaign_service.sms.numbers.repository import Sender
from campaign_service.sms.slots import AHEAD_SECONDS, WINDOW, Slot, most, share, taken


@pytest.mark.parametrize(
    ("senders", "rate", "expected"), [(1, 1.0, 1), (1, 20.0, 4), (3, 20.0, 12), (1, 1000.0, WINDOW)]
)
def test_a_batch_is_what_the_numbers_send_in_a_moment(senders: int, rate: float, expected: int) -> None:
    assert most(senders, rate) == expected


def test_texts_of_a_number_keep_their_distance_and_end_with_the_moment() -> None:
    slots = share([Sender("a", -5.0, None), Sender("b", 0.13, None)], 20.0, 50)
    for name, first in (("a", 0.0), ("b", 0.13)):
        waits = [slot.wait for slot in slots if slot.sender == name]
        assert waits[0] == first
        assert all(later - sooner >= 0.0499 for sooner, later in itertools.pairwise(waits))
        assert waits[-1] <= AHEAD_SECONDS
    assert [slot.wait for slot in slots] == sorted(slot.wait for slot in slots)
    busy = taken(slots, 20.0)
    assert {name: round(free_in, 3) for name, (_, free_in) in busy.items()} == {"a": 0.25, "b": 0.23}
    assert sum(number for number, _ in busy.values()) == len(slots)


def test_who_has_rested_longest_comes_first() -> None:
    assert share([Sender("a", -1.0, None), Sender("b", -2.0, None)], 1.0, 1) == [Slot("b", 0.0)]


def test_a_new_number_sends_what_is_left_of_its_day_and_a_busy_one_nothing() -> None:
    assert share([Sender("new", 0.0, 2), Sender("done", 0.0, 0), Sender("busy", 0.9, None)], 100.0, 9) == [
        Slot("new", 0.0),
        Slot("new", 0.01),
    ]
