"""Rules of a tenant's account at Fienta. It is sealed as a whole, bound to its tenant."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from code_service.fienta import repository
from code_service.fienta.port import FientaNotConfigured
from code_service.fienta.schemas import CredentialsIn, CredentialsOut
from code_service.settings import Settings
from shared.database import Tx
from shared.errors import UnprocessableError
from shared.utils.clock import Clock
from shared.utils.crypto import SecretBox, derive_key


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account in clear. Its text does not show the password."""

    email: str
    password: str = field(repr=False)
    event_id: str
    organizer_id: str | None = None


async def show(tx: Tx, settings: Settings, tenant_id: UUID) -> CredentialsOut:
    row = await repository.get(tx, tenant_id)
    return CredentialsOut(is_configured=False) if row is None else _present(settings, tenant_id, row)


async def store(
    tx: Tx, settings: Settings, clock: Clock, tenant_id: UUID, by: str, body: CredentialsIn
) -> CredentialsOut:
    """Raises UnprocessableError when a password is needed and not given."""
    row = await repository.get(tx, tenant_id, lock=True)
    stored = _open(settings, tenant_id, row["sealed"]) if row else None
    password = body.password.get_secret_value() if body.password else None
    if password is None and stored is not None and stored.email == body.email:
        password = stored.password
    if password is None:
        raise UnprocessableError("A new account needs its password", field="password")
    wanted = Credentials(body.email, password, body.event_id, body.organizer_id)
    await repository.put(tx, tenant_id, _seal(settings, tenant_id, wanted), by, clock.now())
    return await show(tx, settings, tenant_id)


async def forget(tx: Tx, tenant_id: UUID) -> CredentialsOut:
    """Nothing is stored afterwards, whether or not something was."""
    await repository.delete(tx, tenant_id)
    return CredentialsOut(is_configured=False)


async def load(tx: Tx, settings: Settings, tenant_id: UUID) -> Credentials:
    """For the worker. Raises FientaNotConfigured."""
    row = await repository.get(tx, tenant_id)
    if row is None:
        raise FientaNotConfigured("no credentials for Fienta are stored (PUT /automation/fienta/credentials)")
    return _open(settings, tenant_id, row["sealed"])


def _present(settings: Settings, tenant_id: UUID, row: dict[str, Any]) -> CredentialsOut:
    stored = _open(settings, tenant_id, row["sealed"])
    return CredentialsOut(
        is_configured=True,
        email=stored.email,
        event_id=stored.event_id,
        organizer_id=stored.organizer_id,
        has_password=True,
        updated_at=row["updated_at"],
        updated_by=row["updated_by"],
    )


def _box(settings: Settings) -> SecretBox:
    return SecretBox(derive_key(settings.jwt_secret.get_secret_value(), "fienta credentials"))


def _seal(settings: Settings, tenant_id: UUID, credentials: Credentials) -> bytes:
    return _box(settings).seal(orjson.dumps(credentials), str(tenant_id))


def _open(settings: Settings, tenant_id: UUID, sealed: bytes) -> Credentials:
    return Credentials(**orjson.loads(_box(settings).open(sealed, str(tenant_id))))
