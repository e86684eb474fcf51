"""What a reply means for a recipient: enhanced code (RFC 3463) first, basic code next, words last."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["accepted", "retry", "user_unknown", "mailbox", "policy"]
Stage = Literal["mail", "rcpt", "data", "content"]
_ENHANCED = re.compile(r"\A([245])\.(\d{1,3})\.(\d{1,3})(?:\s|\Z)")
# Subject and detail that say the address itself does not work, or that its mailbox is full or unreachable.
_DEAD_ADDRESS = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10", "2.1"})
_MAILBOX = frozenset({"2.2", "2.3", "4.4", "4.6"})
# "No such mailbox" in the words of servers that send no enhanced code.
_UNKNOWN_WORDS = re.compile(
    r"(?:user|recipient|mailbox|address|account) (?:is )?(?:unknown|not found|does not exist|disabled)"
    r"|(?:unknown|no such|invalid) (?:user|recipient|mailbox|address)|mailbox unavailable",
    re.IGNORECASE,
)
_POLICY_WORDS = re.compile(
    r"spam|policy|block|reputation|blacklist|listed|denied|relay|dmarc|spf|dkim", re.IGNORECASE
)
_DETAIL = 300


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP reply; `text` has its lines without the codes."""

    code: int
    text: str = ""

    @property
    def enhanced(self) -> str | None:
        """The code "5.1.1" at the start of the text, when it agrees with the basic code."""
        match = _ENHANCED.match(self.text)
        return match.group().strip() if match and match.group(1) == str(self.code // 100) else None

    def __str__(self) -> str:
        return " ".join(f"{self.code} {self.text}".split())[:_DETAIL]


def classify(reply: Reply, stage: Stage) -> Kind:
    """`user_unknown`: never write there again; `mailbox`: full or away; `policy`: not about the address."""
    if reply.code // 100 == 2:
        return "accepted"
    if reply.code // 100 != 5:
        return "retry"
    if reply.enhanced:
        return _by_enhanced(reply.enhanced.partition(".")[2])
    if reply.code == 552:
        return "mailbox"
    if reply.code not in (550, 551, 553) or stage == "mail" or _POLICY_WORDS.search(reply.text):
        return "policy"
    # a bare 550 to RCPT speaks of the mailbox, after the content it speaks of the mail
    return "user_unknown" if stage == "rcpt" or _UNKNOWN_WORDS.search(reply.text) else "policy"


def _by_enhanced(detail: str) -> Kind:
    if detail in _DEAD_ADDRESS:
        return "user_unknown"
    return "mailbox" if detail in _MAILBOX else "policy"
