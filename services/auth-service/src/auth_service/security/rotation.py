"""What to do with a genuine refresh token: the rotation and grace rule, as a pure function."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum


class Verdict(Enum):
    ROTATE = "rotate"
    """It is the current token: replace it."""
    REPEAT = "repeat"
    """Already replaced, but excusably: hand out the current token again."""
    REUSE = "reuse"
    """Replayed from too far back: somebody else has a copy."""
    FORGED = "forged"
    """Newer than anything handed out."""


def judge(
    presented: int, current: int, rotations: Sequence[datetime], now: datetime, grace: timedelta
) -> Verdict:
    """Compare a presented counter with the session's.

    `rotations` are the times of the latest rotations, newest last: its last entry is when the token
    `current - 1` was replaced. The direct parent is always excused (the client failed to save the
    answer), older ones for `grace` after their own rotation (tabs racing each other).
    """
    if presented == current:
        return Verdict.ROTATE
    if presented > current:
        return Verdict.FORGED
    behind = current - presented
    if behind == 1:
        return Verdict.REPEAT
    if behind <= len(rotations) and now - rotations[-behind] <= grace:
        return Verdict.REPEAT
    return Verdict.REUSE


def remember(rotations: Sequence[datetime], now: datetime, grace: timedelta) -> list[datetime]:
    """The list after a rotation at `now`: only what `judge` can still excuse, at most 64 entries."""
    return [*(at for at in rotations if now - at <= grace), now][-64:]
