"""One visitor that asks for the mails of many people within a minute, always with the same program, is no
reader of any of them."""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime

#: So many people behind one address that come within one window are no office at its mail.
MANY_RECIPIENTS = 10
WINDOW_SECONDS = 60

#: Visitor, its program, and the number of a window: even ones begin with each minute, odd ones half a minute
#: before.
Crowd = tuple[str, str, int]


class Crowds:
    """The windows of time in which a visitor was a crowd."""

    def __init__(self, found: Set[Crowd]) -> None:
        self._found = found

    def has(self, visitor: str, program: str, at: datetime) -> bool:
        if not visitor or not self._found:
            return False
        seconds = at.timestamp()
        windows = (2 * int(seconds // WINDOW_SECONDS), 2 * int((seconds + 30) // WINDOW_SECONDS) - 1)
        return any((visitor, program, number) in self._found for number in windows)
