"""The winner of a test, and how sure it is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_service.ab.significance import Figures, judge, p_value


def test_the_figures_of_a_textbook_come_out() -> None:
    # 120 of 1000 against 90 of 1000: pooled 0.105, z = 0.03 / sqrt(0.105 * 0.895 * 2 / 1000) = 2.188
    assert p_value(120, 1000, 90, 1000) == pytest.approx(0.0287, abs=0.0001)
    assert p_value(50, 100, 50, 100) == pytest.approx(1.0)


@given(st.integers(1, 500), st.integers(1, 500), st.floats(0, 1), st.floats(0, 1))
def test_a_p_value_is_a_probability_whichever_side_is_first(
    tested: int, other_tested: int, share: float, other_share: float
) -> None:
    reactions, others = int(tested * share), int(other_tested * other_share)
    p = p_value(reactions, tested, others, other_tested)
    assert p is not None
    assert 0 <= p <= 1
    mirrored = p_value(others, other_tested, reactions, tested)
    assert mirrored is not None
    assert math.isclose(p, mirrored, abs_tol=1e-12)


def test_nothing_to_compare_has_no_p_value() -> None:
    assert p_value(3, 10, 0, 0) is None
    assert p_value(10, 10, 10, 10) == 1.0


def test_a_clear_lead_is_significant() -> None:
    verdict = judge([Figures(1, 1000, 50), Figures(2, 1000, 120)])
    assert (verdict.winner, verdict.outcome) == (2, "significant")


def test_a_small_lead_wins_and_says_that_it_may_be_chance() -> None:
    verdict = judge([Figures(1, 100, 10), Figures(2, 100, 11)])
    assert (verdict.winner, verdict.outcome) == (2, "not_significant")


def test_the_best_of_many_is_compared_with_the_others_together() -> None:
    verdict = judge([Figures(1, 500, 10), Figures(2, 500, 60), Figures(3, 500, 20)])
    assert verdict.winner == 2
    assert verdict.p_value == p_value(60, 500, 30, 1000)


def test_the_better_rate_wins_not_the_larger_number() -> None:
    assert judge([Figures(1, 1000, 30), Figures(2, 100, 20)]).winner == 2


def test_no_reaction_at_all_falls_to_the_first() -> None:
    verdict = judge([Figures(1, 10, 0), Figures(2, 10, 0)])
    assert (verdict.winner, verdict.outcome, verdict.p_value) == (1, "no_reaction", None)
