"""Reading and replacing a tenant's rates and pools."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx

from . import repository
from .buckets import Bucket, Scope
from .schemas import LimitsIn, LimitsOut, PoolOut, PoolsIn, PoolsOut, RateOut, row_of

_RATES: tuple[Scope, ...] = ("tenant", "domain", "mailbox_provider")
_POOLS: tuple[Scope, ...] = ("ip_pool",)


def _available(row: dict[str, Any], now: datetime) -> int | None:
    if row["per_minute"] is None:
        return None
    return Bucket(**{name: row[name] for name in Bucket.__slots__}).at(now).room


async def limits(tx: Tx, now: datetime) -> LimitsOut:
    """As they stand at `now`."""
    found: dict[str, dict[str, RateOut]] = {scope: {} for scope in _RATES}
    for row in await repository.rows(tx, tx.tenant, _RATES):
        available = _available(row, now) or 0
        rate = RateOut(per_minute=row["per_minute"], burst=row["burst"], available=available)
        found[row["scope"]][row["name"]] = rate
    return LimitsOut(
        tenant=found["tenant"].get(""),
        domains=found["domain"],
        mailbox_providers=found["mailbox_provider"],
    )


async def put_limits(tx: Tx, user_id: UUID, body: LimitsIn, now: datetime) -> LimitsOut:
    rows = [row_of("tenant", "", body.tenant)] if body.tenant else []
    rows += [row_of("domain", name, rate) for name, rate in body.domains.items()]
    rows += [row_of("mailbox_provider", name, rate) for name, rate in body.mailbox_providers.items()]
    await _replace(tx, _RATES, rows, user_id, now)
    return await limits(tx, now)


async def pools(tx: Tx, now: datetime) -> PoolsOut:
    """As they stand at `now`."""
    rows = await repository.rows(tx, tx.tenant, _POOLS)
    names = ("name", "addresses", "per_minute", "burst")
    return PoolsOut(
        pools=[PoolOut(**{name: row[name] for name in names}, available=_available(row, now)) for row in rows]
    )


async def put_pools(tx: Tx, user_id: UUID, body: PoolsIn, now: datetime) -> PoolsOut:
    rows = [row_of("ip_pool", pool.name, pool, list(pool.addresses)) for pool in body.pools]
    await _replace(tx, _POOLS, rows, user_id, now)
    return await pools(tx, now)


async def _replace(
    tx: Tx, scopes: Sequence[Scope], rows: Sequence[dict[str, Any]], user_id: UUID, now: datetime
) -> None:
    await repository.locked(tx, tx.tenant)
    for row in rows:
        await repository.put(tx, tx.tenant, row, now, user_id)
    await repository.keep_only(tx, tx.tenant, scopes, [(row["scope"], row["name"]) for row in rows])
