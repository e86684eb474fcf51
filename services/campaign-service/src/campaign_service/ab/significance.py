"""Which variant won, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["significant", "not_significant", "no_reaction", "by_hand"]
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Figures:
    """How many people got a variant, and how many of them reacted."""

    number: int
    tested: int
    reactions: int

    @property
    def rate(self) -> float:
        return self.reactions / self.tested if self.tested else 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`p_value` is of the two-sided test that the winner is no better than the others taken together."""

    winner: int
    outcome: Outcome
    p_value: float | None


def p_value(reactions: int, tested: int, other_reactions: int, other_tested: int) -> float | None:
    """Two-proportion z-test with the pooled variance, two-sided; None where there is nothing to compare."""
    if not tested or not other_tested:
        return None
    pooled = (reactions + other_reactions) / (tested + other_tested)
    variance = pooled * (1 - pooled) * (1 / tested + 1 / other_tested)
    if variance <= 0:
        return 1.0
    z = (reactions / tested - other_reactions / other_tested) / math.sqrt(variance)
    return min(1.0, math.erfc(abs(z) / math.sqrt(2)))


def judge(figures: Sequence[Figures]) -> Verdict:
    """The variant with the best rate, the lower number where two are equal.

    It wins whether or not the difference is significant (the outcome says which): the others have to get
    something.
    """
    best = max(figures, key=lambda variant: (variant.rate, -variant.number))
    if best.reactions == 0:
        return Verdict(best.number, "no_reaction", None)
    others = [variant for variant in figures if variant is not best]
    p = p_value(
        best.reactions,
        best.tested,
        sum(other.reactions for other in others),
        sum(other.tested for other in others),
    )
    sure = p is not None and p < SIGNIFICANT
    return Verdict(best.number, "significant" if sure else "not_significant", p)
