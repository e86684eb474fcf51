"""Names without accents, case and punctuation: one form for searching and comparing."""

from __future__ import annotations

import re
import unicodedata

_NOT_PLAIN = re.compile(r"[^A-Z0-9]+")
_LIGATURES = str.maketrans({"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss", "ø": "o", "Ø": "O"})
_SAINTS = {"SAINT": "ST", "SAINTE": "STE", "SAINTS": "STS", "SAINTES": "STES"}


def plain(text: str) -> str:
    """Upper case, accents stripped, everything but letters and digits to single spaces."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(_LIGATURES))
        text = "".join(char for char in text if not unicodedata.combining(char))
    return _NOT_PLAIN.sub(" ", text.upper()).strip()


def search_name(text: str) -> str:
    """`plain`, with saints as the post office writes them: `Saint-Genis` and `ST GENIS` are one."""
    return " ".join(_SAINTS.get(word, word) for word in plain(text).split())
