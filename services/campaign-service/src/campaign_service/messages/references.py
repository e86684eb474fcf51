"""What names a single message in its mail: Message-ID, envelope sender and envelope id are all the same.

An id is made at random in 74 bits, so a report that names it comes from somebody who has seen the mail.
"""

from __future__ import annotations

import re
from uuid import UUID

_REFERENCE = re.compile(r"m-([0-9a-f]{32})")


def reference(message_id: UUID) -> str:
    """The local part of a message's Message-ID and bounce address."""
    return f"m-{message_id.hex}"


def message_of(text: str) -> UUID | None:
    """The message that a reference names, with or without `<>` and domain; None for anything else."""
    found = _REFERENCE.fullmatch(text.strip().strip("<> ").partition("@")[0].lower())
    return UUID(found[1]) if found else None
