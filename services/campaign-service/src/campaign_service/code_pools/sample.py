"""A code to count and show with, before recipients have theirs."""

from __future__ import annotations

from typing import Any

from campaign_service.campaigns.content import SAMPLE_CODE
from shared.config import get_service_url
from shared.errors import AppError
from shared.utils import logger
from shared.web import Runtime


async def sample_code(runtime: Runtime, campaign: dict[str, Any]) -> str | None:
    """A code as long as recipients may get, none for a campaign without; an invented one while the pool is
    empty or cannot be asked.
    """
    if campaign["code_pool"] is None:
        return None
    return (await _pool(runtime, campaign) or {}).get("code") or SAMPLE_CODE


async def count_free(runtime: Runtime, campaign: dict[str, Any], most: int) -> int | None:
    """How many codes the campaign's pool has, counted no further than to `most` (at least 1); None while
    code-service cannot be asked.
    """
    found = await _pool(runtime, campaign, count_up_to=most)
    return None if found is None else int(found["free"])


async def _pool(runtime: Runtime, campaign: dict[str, Any], **more: int) -> dict[str, Any] | None:
    """What code-service says of the campaign's pool; None while it cannot be asked."""
    try:
        answer = await runtime.http.get(
            f"{get_service_url('code-service')}/internal/codes/longest",
            params={
                "tenant_id": str(campaign["tenant_id"]),
                "type": campaign["code_type"],
                "pool": campaign["code_pool"],
                **{name: str(value) for name, value in more.items()},
            },
        )
    except AppError as error:
        logger.warning(
            "a pool of codes cannot be asked", campaign_id=str(campaign["id"]), reason=error.message
        )
        return None
    return answer.data or {}
