"""Writing the audit log, always in the transaction of the change it tells of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from auth_service.audit import repository
from auth_service.audit.repository import AuditRecord
from auth_service.context import AuthContext, RequestInfo
from shared.database import Tx
from shared.models.identity import Identity
from shared.utils.ids import uuid7

Action = Literal[
    "tenant.created",
    "tenant.updated",
    "member.created",
    "member.updated",
    "member.role_changed",
    "member.disabled",
    "member.enabled",
    "member.removed",
    "email.verified",
    "login.succeeded",
    "login.failed",
    "login.reauthenticated",
    "session.revoked",
    "session.reuse_detected",
    "password.reset_requested",
    "password.reset",
    "password.changed",
    "api_key.created",
    "api_key.rotated",
    "api_key.revoked",
]
TargetKind = Literal["tenant", "member", "session", "api_key"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted. `id` is a user's or key's id, or a service's name."""

    kind: Literal["user", "api_key", "service", "system", "anonymous"]
    id: str | None = None

    @classmethod
    def of(cls, identity: Identity) -> Actor:
        return cls(identity.kind, str(identity.user_id))


SYSTEM = Actor("system")
ANONYMOUS = Actor("anonymous")


@dataclass(frozen=True, slots=True)
class Act:
    """The circumstances of a change: who, from where."""

    actor: Actor
    origin: RequestInfo


SYSTEM_ACT = Act(SYSTEM, RequestInfo())


async def record(
    tx: Tx,
    auth: AuthContext,
    act: Act,
    action: Action,
    *,
    tenant_id: UUID,
    target: tuple[TargetKind, UUID],
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Add one line. `changes` must hold no secret."""
    await repository.insert(
        tx,
        AuditRecord(
            tenant_id=tenant_id,
            id=uuid7(),
            actor_kind=act.actor.kind,
            actor_id=act.actor.id,
            action=action,
            target_kind=target[0],
            target_id=str(target[1]),
            ip=act.origin.ip,
            user_agent=act.origin.user_agent,
            request_id=act.origin.request_id,
            changes=dict(changes or {}),
            at=auth.now(),
        ),
    )
