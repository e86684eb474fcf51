"""What can go wrong at Fienta, by what the caller should do about it.

- `FientaRowError`: this one row cannot be done; go on with the next.
- Errors that are also `PermanentError`: end the job, a repeat cannot help until somebody acts.
- `FientaUnavailable`: let it pass, the job's next attempt may succeed.

No message holds a password or a cookie.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import PermanentError

if TYPE_CHECKING:
    from code_service.fienta.port import DiscountCode


class FientaError(Exception):
    """Base of everything the port raises."""


class FientaNotConfigured(FientaError, PermanentError):  # noqa: N818  # these are named for what happened
    """The tenant has no credentials, no event, or this machine has no browser."""


class FientaLoginFailed(FientaError, PermanentError):  # noqa: N818
    """Fienta refused e-mail address and password."""


class FientaPageChanged(FientaError, PermanentError):  # noqa: N818
    """A page is not as this adapter knows it, or did not keep what was written: nothing is guessed."""


class FientaUnavailable(FientaError):  # noqa: N818
    """Fienta does not answer, answers with a fault, or takes too long."""


class FientaBusy(FientaUnavailable):
    """Another worker uses the account. One account has one worker at a time."""


class FientaRowError(FientaError):
    """One code cannot be done as asked; nothing was changed for it."""


class CodeNotFound(FientaRowError):  # noqa: N818
    """The event has no such code."""

    def __init__(self, code: str) -> None:
        super().__init__(f"Fienta has no code {code}")
        self.code = code


class CodeExists(FientaRowError):  # noqa: N818
    """The event has such a code already: `existing` is as Fienta has it.

    A job that was killed between the write and its own note finds its row this way: `existing` is what it
    wanted then.
    """

    def __init__(self, existing: DiscountCode) -> None:
        super().__init__(f"Fienta has a code {existing.code} already")
        self.existing = existing


class FientaRefused(FientaRowError):  # noqa: N818
    """Fienta refused the values; the message is what its page says."""
