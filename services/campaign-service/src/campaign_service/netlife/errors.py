"""What can go wrong with a portal. Messages never hold a person's data, an id in clear or a credential."""

from __future__ import annotations

from typing import ClassVar


class PortalError(Exception):
    """Base. `exit_code` is what the command line ends with."""

    exit_code: ClassVar[int] = 20


class PortalContractError(PortalError, ValueError):
    """What we were asked for, or what the portal answered, is not what was agreed: no use to try again."""

    exit_code = 10


class PortalUnavailableError(PortalError):
    """The portal failed, was too slow or could not be reached, as often as it was asked."""


class PortalRefusedError(PortalError):
    """The portal does not accept the credentials, or refuses the request."""


class OutputError(PortalError):
    """The result could not be written where it should go."""

    exit_code = 30
