"""Fetching recipients' codes, and giving back those that no mail carries.

A request is written down with its recipients, made, and deleted by the transaction in which its codes arrive.
Whenever the process dies, it is made again under its id, and code-service answers with the same codes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from campaign_service.ab import service as ab
from campaign_service.campaigns import repository as campaigns
from campaign_service.campaigns.holds import repository as holds
from campaign_service.campaigns.holds import service as holds_service
from campaign_service.code_pools import repository
from shared.config import get_service_url
from shared.database import Tx
from shared.errors import AppError
from shared.utils import logger, uuid7
from shared.web import Runtime

Campaign = dict[str, Any]
Request = dict[str, Any]
AT_ONCE = 1000
_ASKING = timedelta(seconds=30)  # longer than a request takes: then another process may make it
_UNREACHABLE = timedelta(seconds=10)
_EMPTY = timedelta(seconds=30)
_GIVEN_BACK_AT_ONCE = 20


async def fetch(runtime: Runtime, campaign: Campaign) -> bool:
    """Get one batch of codes for a campaign's held recipients; True when some came."""
    async with runtime.db.tenant_tx(campaign["tenant_id"]) as tx:
        request = await _next_request(tx, campaign, runtime.clock.now())
    if request is None:
        return False
    try:
        codes = await _allocate(runtime, request)
    except AppError as error:
        await _refused(runtime, request, error)
        return False
    async with runtime.db.tenant_tx(campaign["tenant_id"]) as tx:
        return await _arrived(tx, request, codes, runtime.clock.now())


async def _next_request(tx: Tx, campaign: Campaign, now: datetime) -> Request | None:
    """The request to make now, as written down: one that waits for its answer goes before a new one."""
    tenant_id, campaign_id = campaign["tenant_id"], campaign["id"]
    waiting = await repository.request(tx, tenant_id, campaign_id)
    if waiting is not None:
        if waiting["try_after"] > now:
            return None
        await repository.postpone(tx, tenant_id, waiting["id"], now + _ASKING)
        return waiting
    if campaign["code_pool"] is None or campaign["status"] != "sending":
        return None
    test = await ab.test_of(tx, campaign)
    any_variant = test is None or test["winner"] is not None
    # one process at a time begins a request of a campaign
    await campaigns.get(tx, tenant_id, campaign_id, lock=True)
    if await repository.request(tx, tenant_id, campaign_id) is not None:
        return None
    request_id = uuid7()
    wanted = await repository.mark(
        tx, tenant_id, campaign_id, request_id, any_variant=any_variant, limit=AT_ONCE
    )
    if not wanted:
        return None
    request = {
        "tenant_id": tenant_id,
        "id": request_id,
        "campaign_id": campaign_id,
        "wanted": wanted,
        "code_type": campaign["code_type"],
        "code_pool": campaign["code_pool"],
        "try_after": now + _ASKING,
    }
    await repository.add_request(tx, request, now)
    return request


def _reference(request_id: UUID) -> str:
    return f"campaign-codes:{request_id}"


async def _allocate(runtime: Runtime, request: Request) -> list[str]:
    answer = await runtime.http.post(
        f"{get_service_url('code-service')}/internal/codes/allocate",
        json={
            "tenant_id": str(request["tenant_id"]),
            "idempotency_key": _reference(request["id"]),
            "type": request["code_type"],
            "pool": request["code_pool"],
            "count": request["wanted"],
            "partial": True,
            "recipient": f"campaign {request['campaign_id']}",
            "order_id": _reference(request["id"]),
        },
    )
    return [code["code"] for code in (answer.data or {})["codes"]]


async def _arrived(tx: Tx, request: Request, codes: list[str], now: datetime) -> bool:
    tenant_id, campaign_id = request["tenant_id"], request["campaign_id"]
    campaign = await campaigns.get(tx, tenant_id, campaign_id, lock=True)
    stored = await repository.request(tx, tenant_id, campaign_id)
    if campaign is None or stored is None or stored["id"] != request["id"]:
        return False  # another process made the same request and was quicker
    test = await ab.test_of(tx, campaign)
    moments = await holds_service.moments(tx, campaign, now)
    given = await repository.give(tx, request, codes, test["winner"] if test else None, moments)
    await repository.close(tx, request)
    await holds.set_reason(tx, tenant_id, campaign_id, None)
    return given > 0


async def _refused(runtime: Runtime, request: Request, error: AppError) -> None:
    """Say why, and try again later. An empty pool gave nothing: a campaign that is over asks no more."""
    tenant_id, campaign_id, now = request["tenant_id"], request["campaign_id"], runtime.clock.now()
    is_empty = error.code == "POOL_EXHAUSTED"
    why = f"the pool {request['code_pool']} has no free code" if is_empty else error.message
    logger.warning("no codes for a campaign", campaign_id=str(campaign_id), reason=why)
    async with runtime.db.tenant_tx(tenant_id) as tx:
        campaign = await campaigns.get(tx, tenant_id, campaign_id, lock=True)
        if is_empty and campaign is not None and campaign["status"] not in ("sending", "paused"):
            await repository.close(tx, request)
            return
        await repository.postpone(tx, tenant_id, request["id"], now + (_EMPTY if is_empty else _UNREACHABLE))
        await holds.set_reason(tx, tenant_id, campaign_id, f"waiting for codes: {why}")


async def give_back(runtime: Runtime) -> bool:
    """Return codes of all tenants to their pools that nobody was sent; True when there may be more.

    code-service frees only what is still allocated to the request, so a repeat takes nobody's code away.
    """
    async with runtime.db.system_tx() as tx:
        groups = await repository.unused(tx, _GIVEN_BACK_AT_ONCE)
    for tenant_id, request_id in groups:
        async with runtime.db.tenant_tx(tenant_id, read_only=True) as tx:
            codes = await repository.unused_codes(tx, tenant_id, request_id)
        try:
            await _release(runtime, tenant_id, request_id, codes)
        except AppError as error:
            logger.warning("codes could not be given back; trying again", codes=len(codes), error=error)
            return False
        async with runtime.db.tenant_tx(tenant_id) as tx:
            await repository.forget(tx, tenant_id, request_id, codes)
    return len(groups) == _GIVEN_BACK_AT_ONCE


async def _release(runtime: Runtime, tenant_id: UUID, request_id: UUID, codes: list[str]) -> None:
    await runtime.http.post(
        f"{get_service_url('code-service')}/internal/codes/release",
        json={
            "tenant_id": str(tenant_id),
            "order_id": _reference(request_id),
            "codes": codes,
            "reason": "it was never sent",
        },
    )
