"""`Idempotency-Key`: the same request twice is done once and answered twice."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response

from shared.database import Tx
from shared.errors import ConflictError, UnprocessableError
from shared.models.responses import ApiResponse
from shared.web import repository
from shared.web.dependencies import CurrentUser
from shared.web.repository import StoredAnswer


class IdempotencyInProgress(ConflictError):  # noqa: N818  # named for its code
    code = "IDEMPOTENCY_IN_PROGRESS"


class IdempotencyKeyReused(UnprocessableError):  # noqa: N818
    code = "IDEMPOTENCY_KEY_REUSED"


class IdempotencyGuard:
    """Runs an action once for a key, in the caller's transaction: a rollback frees the key again.

    Without the header the action simply runs. A repeat within 24 h gets the stored answer with
    `Idempotent-Replayed: true`; another payload or caller gets 422; while the first is still running, 409.
    """

    def __init__(self, key: str | None, route: str, fingerprint: str) -> None:
        self._key = key
        self._route = route
        self._fingerprint = fingerprint

    async def run(
        self, tx: Tx, action: Callable[[], Awaitable[ApiResponse[Any]]], status: int = 200
    ) -> ApiResponse[Any] | Response:
        """The answer of `action`, or the stored one. `status` is the one of the route."""
        if self._key is None:
            return await action()
        if not await repository.try_lock(tx, self._key):
            raise IdempotencyInProgress("A request with this Idempotency-Key is still running")
        stored = await repository.find(tx, self._key)
        if stored is not None:
            return self._replay(stored)
        answer = await action()
        body = answer.model_dump_json()
        await repository.store(tx, self._key, self._route, StoredAnswer(self._fingerprint, status, body))
        return answer

    def _replay(self, stored: StoredAnswer) -> Response:
        if stored.fingerprint != self._fingerprint:
            raise IdempotencyKeyReused("This Idempotency-Key was used with another request")
        return Response(
            stored.body,
            status_code=stored.status,
            media_type="application/json",
            headers={"Idempotent-Replayed": "true"},
        )


async def idempotency(
    request: Request,
    user: CurrentUser,
    key: Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)] = None,
) -> IdempotencyGuard:
    route = f"{request.method} {request.scope['route'].path}"
    if key is None:
        return IdempotencyGuard(None, route, "")
    digest = hashlib.sha256(f"{user.user_id}|{request.method}|{request.url}|".encode())
    digest.update(await request.body())
    return IdempotencyGuard(key, route, digest.hexdigest())


Idem = Annotated[IdempotencyGuard, Depends(idempotency)]
