"""Whether everybody will get a code."""

from __future__ import annotations

from typing import Any

from campaign_service.code_pools.sample import count_free
from shared.web import Runtime

from .schemas import Check, ok, unknown, warning


async def check_codes(rt: Runtime, campaign: dict[str, Any], number: int) -> list[Check]:
    """For so many people; nothing for a campaign without codes."""
    if campaign["code_pool"] is None or not number:
        return []
    pool = campaign["code_pool"]
    free = await count_free(rt, campaign, number)
    if free is None:
        return [unknown("codes", "The codes could not be counted")]
    if free < number:
        advice = "Put more codes into it: whoever gets none waits"
        return [warning("codes", f"The pool {pool} has {free} free codes for {number} people", advice)]
    return [ok("codes", f"The pool {pool} has a code for each of {number} people")]
