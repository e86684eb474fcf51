"""How many parts a text is sent in. Source: 3GPP TS 23.038 (alphabet) and 23.040 (concatenation)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Each is sent as an escape and a second character, which no part may tear apart.
_EXTENDED = frozenset("\f^{}\\[~]|€")
_GSM_ONE, _GSM_PART = 160, 153
_UCS_ONE, _UCS_PART = 70, 67

Encoding = Literal["GSM-7", "UCS-2"]


@dataclass(frozen=True, slots=True)
class Counted:
    """`units` are septets (GSM-7) or 16-bit units (UCS-2); `odd` are the characters that made it UCS-2."""

    encoding: Encoding
    units: int
    segments: int
    odd: tuple[str, ...] = ()


def count(text: str) -> Counted:
    """The encoding, length and number of segments of a text; an empty one has none."""
    odd = tuple(dict.fromkeys(c for c in text if c not in _BASIC and c not in _EXTENDED))
    if odd:
        widths = [2 if ord(c) > 0xFFFF else 1 for c in text]
        return Counted("UCS-2", sum(widths), _parts(widths, _UCS_ONE, _UCS_PART), odd)
    widths = [2 if c in _EXTENDED else 1 for c in text]
    return Counted("GSM-7", sum(widths), _parts(widths, _GSM_ONE, _GSM_PART))


def _parts(widths: list[int], one: int, part: int) -> int:
    """A character of two units goes to the next part whole."""
    total = sum(widths)
    if total <= one:
        return 1 if total else 0
    parts, filled = 1, 0
    for width in widths:
        if filled + width > part:
            parts, filled = parts + 1, 0
        filled += width
    return parts
