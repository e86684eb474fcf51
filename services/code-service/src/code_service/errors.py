"""Errors of codes, each with a code of its own."""

from __future__ import annotations

from shared.errors import ConflictError, NotFoundError


class CodeExistsError(ConflictError):
    code = "CODE_EXISTS"


class CodeStateError(ConflictError):
    """The code's status does not allow the transition; `details["status"]` tells it."""

    code = "CODE_STATE"


class CodeAlreadyUsedError(CodeStateError):
    code = "CODE_ALREADY_USED"


class CodeRevokedError(CodeStateError):
    code = "CODE_REVOKED"


class CodeExpiredError(CodeStateError):
    code = "CODE_EXPIRED"


class PoolExhaustedError(NotFoundError):
    """No code is free: 404, as clients of the first version expect."""

    code = "POOL_EXHAUSTED"


class PoolTooSmallError(ConflictError):
    """Some codes are free, but fewer than asked for; none was taken."""

    code = "POOL_TOO_SMALL"
