"""Random codes of a pattern, with how many there can be and whether they could be guessed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

CHARSETS = {
    "safe": "23456789ABCDEFGHJKMNPQRSTUVWXYZ",  # nothing that looks like something else
    "numbers": "0123456789",
    "alphabetic": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "alphanumeric": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
}
PLACEHOLDER = "#"
#: Above this share of the space, trying at random would find codes.
MAX_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Pattern:
    """`prefix`, then `text` with a random character of `alphabet` for each `#`, check symbol, `postfix`."""

    text: str
    alphabet: str
    prefix: str = ""
    postfix: str = ""
    has_check: bool = False

    @property
    def places(self) -> int:
        return self.text.count(PLACEHOLDER)

    @property
    def space(self) -> int:
        """How many different codes there can be."""
        return int(len(self.alphabet) ** self.places)

    @property
    def most(self) -> int:
        """How many may be made at once."""
        return int(self.space * MAX_SHARE)

    def code(self, number: int) -> str:
        """The code of a number below `space`; different numbers give different codes."""
        size, digits = len(self.alphabet), []
        for _ in range(self.places):
            number, digit = divmod(number, size)
            digits.append(digit)
        symbols = iter([self.alphabet[digit] for digit in digits])
        body = "".join(next(symbols) if char == PLACEHOLDER else char for char in self.text)
        check = self.alphabet[check_digit(digits, size)] if self.has_check else ""
        return f"{self.prefix}{body}{check}{self.postfix}"

    def draw(self, count: int) -> list[str]:
        """Different codes from the operating system's randomness. `count` must be far below `space`."""
        numbers: set[int] = set()
        while len(numbers) < count:
            numbers.add(secrets.randbelow(self.space))
        return [self.code(number) for number in numbers]


def check_digit(digits: list[int], size: int) -> int:
    """The alternating sum in base `size`: any one wrong symbol changes it, and so do swaps of neighbours.

    With an even base, a swap of two symbols that lie half the alphabet apart goes unseen.
    """
    return sum(digit if place % 2 == 0 else -digit for place, digit in enumerate(reversed(digits))) % size
