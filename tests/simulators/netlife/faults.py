"""When the portal misbehaves, and how."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["404", "429", "500", "503", "truncated", "slow", "drop", "page"]
#: What passes when it is tried again.
KINDS: tuple[Kind, ...] = ("429", "500", "503", "truncated", "slow", "drop", "page")


@dataclass(frozen=True)
class Script:
    """This fault for paths (with query) that match, the first `times` times each (0: always)."""

    match: str
    kind: Kind
    times: int = 1


@dataclass
class Faults:
    """`rate` is the share of addresses whose first request fails; which ones and how follows the seed.

    slow: an answer after `slow_seconds`; page: HTML with status 200; drop: the connection ends mid-body.
    """

    rate: float = 0.0
    seed: int = 1
    kinds: tuple[Kind, ...] = KINDS
    scripts: tuple[Script, ...] = ()
    slow_seconds: float = 0.5
    retry_after: str = "1"
    _hits: Counter[str] = field(default_factory=Counter)

    def choose(self, address: str) -> Kind | None:
        """The fault of this request, which counts as made."""
        for script in self.scripts:
            if re.search(script.match, address):
                self._hits[f"{script.match}|{address}"] += 1
                if not script.times or self._hits[f"{script.match}|{address}"] <= script.times:
                    return script.kind
        self._hits[address] += 1
        digest = hashlib.md5(f"{self.seed}|{address}".encode(), usedforsecurity=False).digest()
        is_bad = int.from_bytes(digest[:4]) < self.rate * 2**32
        return self.kinds[digest[4] % len(self.kinds)] if is_bad and self._hits[address] == 1 else None
