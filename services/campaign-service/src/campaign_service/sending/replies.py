"""What a reply means for a recipient: enhanced code (RFC 3463) first, basic code next, words last."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["accepted", "retry", "user_unknown", "mailbox", "policy"]
Stage = Literal["mail", "rcpt", "data", "content"]
_ENHANCED = re.compile(r"\A([245])\.(\d{1,3})\.(\d{1,3})(?:\s|\Z)")
# Subject and detail (RFC 3463, RFC 7505) that say the address itself does not work.
_DEAD_ADDRESS = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10", "2.1"})
# The mailbox or its system has trouble that may pass; so has everything on the way there (4.x).
_MAILBOX = frozenset({"1.4", "2.0", "2.2", "2.4", "3.1", "3.2"})
_ROUTING = "4."
# Codes that say no more than "an error": the words beside them decide.
_VAGUE = frozenset({"0.0", "1.0"})
# Exchange Online answers this, and "4.1", for an address that its owner does not have.
_NOT_IN_DIRECTORY = re.compile(r"recipient address rejected", re.IGNORECASE)
_FULL_WORDS = re.compile(
    r"(?:mailbox|inbox) (?:is )?(?:full|exceed)|(?:over|exceed\w*|out of) (?:\w+ ){0,3}quota|quota exceeded",
    re.IGNORECASE,
)
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
        return kind_of_status(reply.enhanced, reply.text)
    if reply.code == 552 or _FULL_WORDS.search(reply.text):
        return "mailbox"
    if reply.code not in (550, 551, 553) or stage == "mail" or _POLICY_WORDS.search(reply.text):
        return "policy"
    # a bare 550 to RCPT speaks of the mailbox, after the content it speaks of the mail
    return "user_unknown" if stage == "rcpt" or _UNKNOWN_WORDS.search(reply.text) else "policy"


def kind_of_status(status: str, words: str) -> Kind:
    """What an enhanced code such as `5.1.1` means, with the words beside it where it alone says little."""
    klass, _, detail = status.partition(".")
    if klass != "5":
        return "accepted" if klass == "2" else "retry"
    if detail in _DEAD_ADDRESS or (detail == "4.1" and _NOT_IN_DIRECTORY.search(words)):
        return "user_unknown"
    if detail in _VAGUE and _FULL_WORDS.search(words):
        return "mailbox"
    if detail in _VAGUE and _UNKNOWN_WORDS.search(words):
        return "user_unknown"
    return "mailbox" if detail in _MAILBOX or detail.startswith(_ROUTING) else "policy"
