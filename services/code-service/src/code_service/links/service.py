"""Rules of short links."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

from code_service.links import repository
from code_service.links.schemas import (
    DayClicks,
    LinkIn,
    LinkOut,
    LinkStats,
    LinkUpdate,
    ReferencedLink,
    Share,
    ShortLink,
)
from code_service.links.urls import MAX_URL, merge_utm, new_short_id
from shared.database import Tx
from shared.errors import ConflictError, NotFoundError, ValidationError
from shared.web import Runtime

_TRIES = 5
_CACHE_SECONDS = 2.0
_CACHE_SIZE = 10_000


class SlugTakenError(ConflictError):
    code = "SLUG_TAKEN"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a short id leads; `is_active` is false for a link that was switched off or deleted."""

    tenant_id: UUID
    link_id: UUID
    target_url: str
    expires_at: datetime | None
    is_active: bool

    def is_open(self, now: datetime) -> bool:
        return self.is_active and (self.expires_at is None or self.expires_at > now)


def present(row: dict[str, Any], runtime: Runtime) -> LinkOut:
    return LinkOut(**row, short_url=short_url(runtime, row["short_id"]))


def short_url(runtime: Runtime, short_id: str) -> str:
    return f"{runtime.config.public_url.rstrip('/')}/l/{short_id}"


async def create(
    tx: Tx, runtime: Runtime, tenant_id: UUID, body: LinkIn, reference: str | None = None
) -> dict[str, Any]:
    """Raises SlugTakenError, ValidationError for an address that is too long or our own.

    With a `reference` that the tenant has, the link that carries it.
    """
    fields = {
        "reference": reference,
        "url": body.url,
        "utm": body.utm.parameters(),
        "title": body.title,
        "expires_at": body.expires_at,
    }
    fields["target_url"] = _target(runtime, body.url, body.utm.parameters())
    for _ in range(1 if body.slug else _TRIES):
        fields["short_id"] = body.slug or new_short_id()
        made = await repository.insert(tx, tenant_id, fields, runtime.clock.now())
        if made is not None:
            _forget(tx, runtime, made["short_id"])
            return made
        if reference and (there := await repository.by_references(tx, tenant_id, [reference])):
            return there[reference]
    raise SlugTakenError(f"The slug {body.slug} is taken", field="slug")


async def create_many(
    tx: Tx, runtime: Runtime, tenant_id: UUID, wanted: Sequence[ReferencedLink]
) -> list[ShortLink]:
    """A link for each reference, the one that is there where it was asked for before.

    An address that no link can lead to (our own, not http) gets none.
    """
    there = await repository.by_references(tx, tenant_id, [link.reference for link in wanted])
    made = []
    for link in wanted:
        row = there.get(link.reference) or await _try_create(tx, runtime, tenant_id, link)
        made.append(
            ShortLink(
                reference=link.reference,
                id=row["id"] if row else None,
                short_url=short_url(runtime, row["short_id"]) if row else None,
            )
        )
    return made


async def _try_create(
    tx: Tx, runtime: Runtime, tenant_id: UUID, link: ReferencedLink
) -> dict[str, Any] | None:
    try:
        body = LinkIn(url=link.url, title=link.title)
        return await create(tx, runtime, tenant_id, body, link.reference)
    except (ValueError, ValidationError):
        return None


def _target(runtime: Runtime, url: str, utm: dict[str, str]) -> str:
    target = merge_utm(url, utm)
    if len(target) > MAX_URL:
        raise ValidationError(f"With its parameters the address is longer than {MAX_URL}", field="url")
    if target.lower().startswith(short_url(runtime, "").lower()):
        raise ValidationError("A short link cannot lead to a short link", field="url")
    return target


async def get(tx: Tx, tenant_id: UUID, link_id: UUID, *, lock: bool = False) -> dict[str, Any]:
    found = await repository.get(tx, tenant_id, link_id, lock=lock)
    if found is None:
        raise NotFoundError("There is no such link")
    return found


async def update(
    tx: Tx, runtime: Runtime, tenant_id: UUID, link_id: UUID, body: LinkUpdate
) -> dict[str, Any]:
    found = await get(tx, tenant_id, link_id, lock=True)
    changes = body.model_dump(exclude_unset=True)
    if "utm" in changes:
        changes["utm"] = body.utm.parameters()
    fields = found | changes
    fields["target_url"] = _target(runtime, fields["url"], fields["utm"])
    _forget(tx, runtime, found["short_id"])
    return await repository.update(tx, tenant_id, link_id, fields, runtime.clock.now())


async def delete(tx: Tx, runtime: Runtime, tenant_id: UUID, link_id: UUID) -> None:
    found = await get(tx, tenant_id, link_id, lock=True)
    _forget(tx, runtime, found["short_id"])
    await repository.delete(tx, tenant_id, link_id, runtime.clock.now())


async def stats(tx: Tx, tenant_id: UUID, link_id: UUID, since: date | None, until: date | None) -> LinkStats:
    await get(tx, tenant_id, link_id)
    days = [DayClicks(**row) for row in await repository.days(tx, tenant_id, link_id, since, until)]
    referrers = await repository.shares(tx, tenant_id, link_id, "referrer", since, until)
    devices = await repository.shares(tx, tenant_id, link_id, "device", since, until)
    return LinkStats(
        clicks=sum(day.clicks for day in days),
        scanner_clicks=sum(day.scanner_clicks for day in days),
        days=days,
        referrers=[Share(**row) for row in referrers],
        devices=[Share(**row) for row in devices],
    )


_Cached = OrderedDict[str, tuple[float, Destination | None]]


def _cache(runtime: Runtime) -> _Cached:
    return cast(_Cached, runtime.extras.setdefault("destinations", OrderedDict()))


def _forget(tx: Tx, runtime: Runtime, short_id: str) -> None:
    tx.after_commit.append(lambda: (_cache(runtime).pop(short_id, None), None)[1])


async def destination(runtime: Runtime, short_id: str) -> Destination | None:
    """Where a short id leads. What another process changed is seen within two seconds."""
    cache, now = _cache(runtime), runtime.clock.monotonic()
    cached = cache.get(short_id)
    if cached is not None and cached[0] > now:
        return cached[1]
    async with runtime.db.system_tx() as tx:
        row = await repository.by_short_id(tx, short_id)
    found = None
    if row is not None:
        found = Destination(
            row["tenant_id"], row["id"], row["target_url"], row["expires_at"], row["is_active"]
        )
    cache[short_id] = (now + _CACHE_SECONDS, found)
    if len(cache) > _CACHE_SIZE:
        cache.popitem(last=False)
    return found
