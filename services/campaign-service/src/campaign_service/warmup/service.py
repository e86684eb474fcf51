"""Rules of warm-up plans: their days, their places and their stops."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from uuid import UUID

from shared.database import Tx
from shared.utils import logger, uuid7

from . import repository
from .plans import Heard, Judgement, Plan, judge, preset_caps
from .schemas import PlanIn, PlanOut, WarmupIn, WarmupOut


async def get(tx: Tx, now: datetime) -> WarmupOut:
    """The plans as they stand at `now`."""
    return WarmupOut(plans=[await _out(tx, plan, now) for plan in await repository.plans(tx, tx.tenant)])


async def put(tx: Tx, user_id: UUID, body: WarmupIn, now: datetime) -> WarmupOut:
    """Replace the tenant's plans; one that was there before goes on where it stands."""
    await repository.locked(tx, tx.tenant)
    kept = [await repository.put(tx, tx.tenant, _row(plan), user_id) for plan in body.plans]
    await repository.keep_only(tx, tx.tenant, kept)
    return await get(tx, now)


def _row(plan: PlanIn) -> dict[str, object]:
    return {
        "id": uuid7(),
        "domain": plan.domain or "",
        "ip_pool": plan.ip_pool or "",
        "mailbox_provider": plan.mailbox_provider or "",
        "caps": plan.caps or preset_caps(),
        "time_zone": plan.time_zone,
        "rules": plan.rules.model_dump(),
        "status": plan.status,
        "day_number": plan.day_number,
    }


async def _out(tx: Tx, stored: Plan, now: datetime) -> PlanOut:
    plan = await _of_day(tx, stored, now)
    heard = await _window(tx, plan, now)
    names = ("id", "status", "status_reason", "warning", "day_number", "cap", "used", "left", "time_zone")
    return PlanOut.model_validate(
        {name: getattr(plan, name) for name in names}
        | {name: getattr(plan, name) or None for name in ("domain", "ip_pool", "mailbox_provider")}
        | {
            "days": len(plan.caps),
            "today": plan.day_of(now),
            "next_day_at": plan.next_day(now),
            "window": asdict(heard),
            "caps": list(plan.caps),
            "rules": asdict(plan.rules),
        }
    )


async def open_day(tx: Tx, now: datetime) -> list[Plan]:
    """The tenant's plans, locked, each at the day of `now`: a day counts when a mail of it was sent."""
    opened = []
    for stored in await repository.locked(tx, tx.tenant):
        plan = await _of_day(tx, stored, now)
        if plan is not stored:
            await repository.begin_day(tx, tx.tenant, plan)
        opened.append(plan)
    return opened


async def _of_day(tx: Tx, plan: Plan, now: datetime) -> Plan:
    today = plan.day_of(now)
    if plan.today is not None and today <= plan.today:
        return plan
    number = plan.day_number
    if plan.today is not None and await repository.was_used(tx, tx.tenant, plan):
        number += 1
    if plan.status == "active" and number > len(plan.caps):
        return replace(plan, today=today, used=0, status="finished")
    return replace(plan, today=today, used=0, day_number=number)


async def _window(tx: Tx, plan: Plan, now: datetime) -> Heard:
    since = plan.day_of(now) - timedelta(days=plan.rules.window_days - 1)
    return await repository.heard(tx, tx.tenant, plan, since)


async def judge_plans(tx: Tx, now: datetime) -> list[Judgement]:
    """Apply the stop rules to the tenant's active plans.

    A window of a million mails takes a second or more to look through. The sender, which locks plans, does
    not wait for that.
    """
    plans = [plan for plan in await repository.plans(tx, tx.tenant) if plan.is_active]
    judged = [(plan, judge(plan.rules, await _window(tx, plan, now))) for plan in plans]
    for plan, found in sorted(judged, key=lambda one: one[0].id):
        await repository.set_judgement(tx, tx.tenant, plan, found.stop, found.warning)
        if found.stop:
            logger.warning("warm-up stopped", tenant_id=str(tx.tenant), plan=plan.name, reason=found.stop)
    return [found for _, found in judged]
