"""Which number sends which text of a batch, and when: none faster than it may."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from campaign_service.sms.numbers.repository import Sender

#: A number is given away so many seconds ahead: enough that fast ones send without a pause between batches.
AHEAD_SECONDS = 0.2
#: Texts of one lane that are attempted together: as many may be in doubt when its process dies.
WINDOW = 25


@dataclass(frozen=True, slots=True)
class Slot:
    """A text of `sender` may leave in `wait` seconds."""

    sender: str
    wait: float


def most(senders: int, rate: float) -> int:
    """How many texts a batch can have at `rate` texts a second from each sender."""
    return max(1, min(WINDOW, int(senders * rate * AHEAD_SECONDS)))


def share(senders: Sequence[Sender], rate: float, wanted: int) -> list[Slot]:
    """At most `wanted` slots, the soonest first, from who has rested longest."""
    heap = [(one.free_in, one.sender) for one in senders]
    heapq.heapify(heap)
    left = {one.sender: wanted if one.left is None else one.left for one in senders}
    slots: list[Slot] = []
    while heap and len(slots) < wanted:
        free_in, sender = heapq.heappop(heap)
        wait = max(0.0, free_in)
        if wait <= AHEAD_SECONDS and left[sender]:
            left[sender] -= 1
            slots.append(Slot(sender, wait))
            heapq.heappush(heap, (wait + 1 / rate, sender))
    return slots


def taken(slots: Sequence[Slot], rate: float) -> dict[str, tuple[int, float]]:
    """Sender to how many of the slots are its, and in how many seconds it is free again."""
    numbers = Counter(slot.sender for slot in slots)
    last = {slot.sender: slot.wait for slot in slots}
    return {sender: (number, last[sender] + 1 / rate) for sender, number in numbers.items()}
