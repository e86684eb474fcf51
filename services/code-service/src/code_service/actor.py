"""Who does something, as it is written beside what was done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from shared.web import OperatorUser


@dataclass(frozen=True, slots=True)
class Actor:
    """`name` is `user:<id>`, `api_key:<id>`, `service:<name>` or `system:<what>`."""

    tenant_id: UUID
    name: str
    request_id: str | None = None


async def _acting(request: Request, user: OperatorUser) -> Actor:
    return Actor(user.tenant_id, f"{user.kind}:{user.user_id}", request_id_of(request))


def request_id_of(request: Request) -> str | None:
    """The id that the answer carries in `X-Request-ID`."""
    return getattr(request.state, "request_id", None)


Operator = Annotated[Actor, Depends(_acting)]
