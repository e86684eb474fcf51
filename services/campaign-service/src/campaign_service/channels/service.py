"""Rules of a tenant's providers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from campaign_service.settings import settings_of
from shared.database import Tx
from shared.errors import ValidationError
from shared.utils import uuid7
from shared.utils.crypto import SecretBox, derive_key
from shared.web import Runtime

from . import repository
from .addresses import host_of, is_forbidden_literal
from .model import Provider
from .schemas import ChannelsIn, ChannelsOut, CircuitOut, ProviderIn, ProviderOut

_BASE = {"name", "kind", "secret"}
_NEEDS_SECRET = frozenset({"powermta-http", "mailwizz", "messenger"})


def _box(rt: Runtime) -> SecretBox:
    return SecretBox(derive_key(settings_of(rt).jwt_secret.get_secret_value(), "sending provider secrets"))


def _place(tenant_id: UUID, provider_id: UUID) -> str:
    return f"sending_provider/{tenant_id}/{provider_id}"


async def providers(rt: Runtime, tx: Tx) -> list[Provider]:
    """The tenant's providers in their order, with secrets opened."""
    return [_opened(rt, row) for row in await repository.providers(tx, tx.tenant)]


def _opened(rt: Runtime, row: dict[str, Any]) -> Provider:
    secret = None
    if row["secret"] is not None:
        secret = _box(rt).open(row["secret"], _place(row["tenant_id"], row["id"])).decode()
    fields = {name: row[name] for name in ("tenant_id", "id", "name", "kind", "settings")}
    state = {name: row[name] for name in ("circuit", "failures", "retry_at")}
    return Provider(**fields, **state, secret=secret)


async def get(tx: Tx) -> ChannelsOut:
    """Without secrets."""
    rows = [_out(row) for row in await repository.providers(tx, tx.tenant)]
    return ChannelsOut(email=rows, uses_default=not rows)


def _out(row: dict[str, Any]) -> ProviderOut:
    circuit = CircuitOut(
        state=row["circuit"],
        **{name: row[name] for name in ("failures", "retry_at", "last_error", "failed_at")},
    )
    fields = {name: row[name] for name in ("id", "name", "kind", "settings", "updated_at")}
    return ProviderOut(**fields, has_secret=row["secret"] is not None, circuit=circuit)


async def put(rt: Runtime, tx: Tx, user_id: UUID, body: ChannelsIn) -> ChannelsOut:
    """Replace the tenant's providers. Raises ValidationError for a missing secret or a private address."""
    await repository.lock(tx, tx.tenant)
    known = {provider.name: provider for provider in await providers(rt, tx)}
    await repository.keep_only(tx, tx.tenant, [provider.name for provider in body.email])
    for position, provider in enumerate(body.email):
        row = _row(rt, tx.tenant, position, provider, known.get(provider.name))
        await repository.put(tx, tx.tenant, row, user_id)
    return await get(tx)


def _row(
    rt: Runtime, tenant_id: UUID, position: int, given: ProviderIn, known: Provider | None
) -> dict[str, Any]:
    settings = given.model_dump(mode="json", exclude=_BASE, exclude_none=True)
    _check_place(rt, position, settings)
    secret = given.secret.get_secret_value() if given.secret else _kept(settings, given, known)
    if secret is None and (given.kind in _NEEDS_SECRET or settings.get("username")):
        raise ValidationError("This provider needs its secret", field=f"email.{position}.secret")
    provider_id = uuid7()
    sealed = None if secret is None else _box(rt).seal(secret.encode(), _place(tenant_id, provider_id))
    return {
        "id": provider_id,
        "position": position,
        "name": given.name,
        "kind": given.kind,
        "settings": settings,
        "secret": sealed,
    }


def _kept(settings: dict[str, Any], given: ProviderIn, known: Provider | None) -> str | None:
    """A stored secret goes on only to the place for which it was given."""
    if known is None or known.kind != given.kind:
        return None
    same = all(settings.get(name) == known.settings.get(name) for name in ("host", "port", "url", "security"))
    return known.secret if same else None


def _check_place(rt: Runtime, position: int, settings: dict[str, Any]) -> None:
    allowed = settings_of(rt).provider_private_hosts
    host = host_of(settings)
    if is_forbidden_literal(host, allowed):
        raise ValidationError("This address is not a public one", field=f"email.{position}")
    if str(settings.get("url", "")).startswith("http:") and host not in allowed:
        raise ValidationError("Providers are spoken to by https", field=f"email.{position}.url")
