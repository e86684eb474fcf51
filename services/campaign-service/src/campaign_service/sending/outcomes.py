"""The four things that can become of a mail given to a server. Exactly one is true of each attempt."""

from __future__ import annotations

from dataclasses import dataclass

from .replies import Kind, Reply, Stage, classify


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server took it (2xx after the content)."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Rejected:
    """The server answered no, for now (4xx) or for good (5xx); it has not taken the mail."""

    reply: Reply
    stage: Stage

    @property
    def kind(self) -> Kind:
        return classify(self.reply, self.stage)


@dataclass(frozen=True, slots=True)
class NotSent:
    """The content was not sent whole: sending again is safe.

    `tried`: the connection broke on this very mail; otherwise its turn had not come.
    """

    reason: str
    tried: bool


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """The content went out whole and no answer came: the server may have taken it."""

    reason: str


Outcome = Accepted | Rejected | NotSent | Ambiguous
