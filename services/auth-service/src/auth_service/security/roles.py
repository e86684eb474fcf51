"""Which scopes a role holds, and what a set of scopes amounts to.

viewer: read · operator: read write · admin and owner: read write admin. Services decide by role; a key's
role is the highest its scopes reach, so a scope never opens more than its name says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from shared.errors import ForbiddenError
from shared.models.identity import ROLE_RANK, Role

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "write", "admin")
_SCOPES_OF: dict[Role, tuple[Scope, ...]] = {
    "viewer": ("read",),
    "operator": ("read", "write"),
    "admin": ("read", "write", "admin"),
    "owner": ("read", "write", "admin"),
}
_ROLE_OF: dict[Scope, Role] = {"read": "viewer", "write": "operator", "admin": "admin"}


def scopes_of(role: Role) -> tuple[Scope, ...]:
    return _SCOPES_OF[role]


def with_implied(scopes: Iterable[str]) -> tuple[Scope, ...]:
    """In order, with the lower scopes that the highest one includes."""
    highest = max((SCOPES.index(scope) for scope in SCOPES if scope in set(scopes)), default=-1)
    return SCOPES[: highest + 1]


def capped(scopes: Iterable[str], creator_role: Role) -> tuple[Scope, ...]:
    """What is left of a key's scopes when its creator now has `creator_role`."""
    allowed = scopes_of(creator_role)
    return tuple(scope for scope in with_implied(scopes) if scope in allowed)


def role_of(scopes: Iterable[str]) -> Role | None:
    """The role a key acts with; None without any scope."""
    held = with_implied(scopes)
    return _ROLE_OF[held[-1]] if held else None


def require_may_grant(actor: Role, role: Role) -> None:
    """Nobody raises anybody above the own role."""
    if ROLE_RANK[role] > ROLE_RANK[actor]:
        raise ForbiddenError("You cannot give a role above your own", field="role")


def require_may_manage(actor: Role, target: Role) -> None:
    """Nobody changes or removes somebody of a higher role."""
    if ROLE_RANK[target] > ROLE_RANK[actor]:
        raise ForbiddenError("You cannot change a member with a role above your own")
