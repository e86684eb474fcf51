"""SQL of warm-up plans and of the mails they let go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from shared.database import Tx

from .plans import Heard, Plan

_PLAN = """id, domain, ip_pool, mailbox_provider, caps, time_zone, rules, status, status_reason, warning,
    day_number, today, used, judged_since"""
_SENT = "(r.attempts > 0 OR r.accepted_at IS NOT NULL)"
_BOUNCED = "(r.bounced_at IS NOT NULL OR (r.state = 'failed' AND r.last_code LIKE '5%'))"


async def tenants(tx: Tx) -> set[UUID]:
    """Tenants whose mail is limited by plans."""
    rows = await tx.fetch("SELECT DISTINCT tenant_id FROM warmup_plan WHERE status <> 'finished'")
    return {row["tenant_id"] for row in rows}


async def plans(tx: Tx, tenant_id: UUID) -> list[Plan]:
    rows = await tx.fetch(
        f"""SELECT {_PLAN} FROM warmup_plan WHERE tenant_id = $1
            ORDER BY domain, ip_pool, mailbox_provider""",
        tenant_id,
    )
    return [Plan.from_row(dict(row)) for row in rows]


async def locked(tx: Tx, tenant_id: UUID) -> list[Plan]:
    """All plans, for one process at a time."""
    rows = await tx.fetch(
        f"SELECT {_PLAN} FROM warmup_plan WHERE tenant_id = $1 ORDER BY id FOR UPDATE", tenant_id
    )
    return [Plan.from_row(dict(row)) for row in rows]


async def put(tx: Tx, tenant_id: UUID, row: dict[str, Any], user_id: UUID) -> UUID:
    """Store or change by what the plan is for. Where it stands stays, unless it begins with another day."""
    plan_id: UUID = await tx.fetchval(
        """INSERT INTO warmup_plan AS p
             (tenant_id, id, domain, ip_pool, mailbox_provider, caps, time_zone, rules, status, day_number,
              updated_by)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce($10, 1), $11)
           ON CONFLICT (tenant_id, domain, ip_pool, mailbox_provider) DO UPDATE SET
             caps = excluded.caps, time_zone = excluded.time_zone, rules = excluded.rules,
             status = excluded.status, status_reason = NULL, warning = NULL,
             day_number = least(coalesce($10, p.day_number), cardinality(excluded.caps)),
             judged_since = CASE WHEN p.status = 'stopped' THEN coalesce(p.today, p.judged_since) + 1
                                 ELSE p.judged_since END,
             updated_by = excluded.updated_by, updated_at = now()
           RETURNING id""",
        tenant_id,
        *(row[name] for name in ("id", "domain", "ip_pool", "mailbox_provider", "caps", "time_zone")),
        *(row[name] for name in ("rules", "status", "day_number")),
        user_id,
    )
    return plan_id


async def keep_only(tx: Tx, tenant_id: UUID, plan_ids: Sequence[UUID]) -> None:
    await tx.execute(
        "DELETE FROM warmup_plan WHERE tenant_id = $1 AND id <> ALL($2::uuid[])", tenant_id, list(plan_ids)
    )


async def was_used(tx: Tx, tenant_id: UUID, plan: Plan) -> bool:
    """Whether any mail of the plan's present day was sent."""
    used: bool = await tx.fetchval(
        f"""SELECT EXISTS (
              SELECT 1 FROM warmup_mail m JOIN campaign_recipient r
                ON r.tenant_id = $1 AND r.campaign_id = m.campaign_id AND r.contact_id = m.contact_id
              WHERE m.tenant_id = $1 AND m.plan_id = $2 AND m.day = $3 AND {_SENT})""",
        tenant_id,
        plan.id,
        plan.today,
    )
    return used


async def begin_day(tx: Tx, tenant_id: UUID, plan: Plan) -> None:
    """Write the day a plan is at."""
    await tx.execute(
        """UPDATE warmup_plan SET day_number = $3, today = $4, used = $5, status = $6
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        plan.id,
        plan.day_number,
        plan.today,
        plan.used,
        plan.status,
    )


async def give_back(tx: Tx, tenant_id: UUID, plan: Plan) -> int:
    """Free the places of mails that wait again and were never tried; how many."""
    return await tx.affected(
        """WITH freed AS (
             DELETE FROM warmup_mail m USING campaign_recipient r
             WHERE m.tenant_id = $1 AND m.plan_id = $2 AND m.day = $3
               AND r.tenant_id = $1 AND r.campaign_id = m.campaign_id AND r.contact_id = m.contact_id
               AND r.state IN ('queued', 'skipped', 'cancelled') AND r.attempts = 0
             RETURNING m.contact_id)
           UPDATE warmup_plan SET used = used - (SELECT count(*) FROM freed)
           WHERE tenant_id = $1 AND id = $2 AND EXISTS (SELECT 1 FROM freed)""",
        tenant_id,
        plan.id,
        plan.today,
    )


async def known(
    tx: Tx, tenant_id: UUID, plan: Plan, campaign_id: UUID, contacts: Sequence[UUID]
) -> set[UUID]:
    """Those of the contacts who have a place today."""
    rows = await tx.fetch(
        """SELECT contact_id FROM warmup_mail
           WHERE tenant_id = $1 AND plan_id = $2 AND day = $3 AND campaign_id = $4
             AND contact_id = ANY($5::uuid[])""",
        tenant_id,
        plan.id,
        plan.today,
        campaign_id,
        list(contacts),
    )
    return {row["contact_id"] for row in rows}


async def take(tx: Tx, tenant_id: UUID, plan: Plan, campaign_id: UUID, contacts: Sequence[UUID]) -> None:
    """Give the contacts places of today; who has one keeps it."""
    await tx.execute(
        """WITH taken AS (
             INSERT INTO warmup_mail (tenant_id, plan_id, day, campaign_id, contact_id)
             SELECT $1, $2, $3, $4, unnest($5::uuid[]) ON CONFLICT DO NOTHING RETURNING contact_id)
           UPDATE warmup_plan SET used = used + (SELECT count(*) FROM taken)
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        plan.id,
        plan.today,
        campaign_id,
        list(contacts),
    )


async def sender_of(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> str | None:
    """The address a campaign is sent from, where it names one."""
    address: str | None = await tx.fetchval(
        "SELECT from_email FROM campaign WHERE tenant_id = $1 AND id = $2", tenant_id, campaign_id
    )
    return address


async def postpone(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, token: UUID, contacts: Sequence[UUID], at: datetime
) -> None:
    """Put leased recipients back until `at`."""
    await tx.execute(
        """UPDATE campaign_recipient
           SET state = 'queued', next_attempt_at = $5, lease_token = NULL, lease_until = NULL
           WHERE tenant_id = $1 AND campaign_id = $2 AND lease_token = $3 AND contact_id = ANY($4::uuid[])
             AND state = 'leased'""",
        tenant_id,
        campaign_id,
        token,
        list(contacts),
        at,
    )


async def say(tx: Tx, tenant_id: UUID, campaign_id: UUID, reason: str | None) -> None:
    """Why a campaign waits; None when it does no longer. Reasons of others stay."""
    await tx.execute(
        """UPDATE campaign SET status_reason = $3
           WHERE tenant_id = $1 AND id = $2 AND status = 'sending' AND status_reason IS DISTINCT FROM $3
             AND (status_reason IS NULL OR status_reason LIKE 'warm-up %')""",
        tenant_id,
        campaign_id,
        reason,
    )


async def heard(tx: Tx, tenant_id: UUID, plan: Plan, since: date) -> Heard:
    """What came of the plan's mails since a day, each recipient of a campaign once."""
    row = await tx.fetchrow(
        f"""SELECT count(*) FILTER (WHERE {_SENT}) AS sent, count(*) FILTER (WHERE {_BOUNCED}) AS bounced,
                   count(*) FILTER (WHERE r.complained_at IS NOT NULL) AS complained
            FROM campaign_recipient r
            WHERE r.tenant_id = $1 AND (r.campaign_id, r.contact_id) IN (
              SELECT m.campaign_id, m.contact_id FROM warmup_mail m
              WHERE m.tenant_id = $1 AND m.plan_id = $2 AND m.day >= $3)""",
        tenant_id,
        plan.id,
        max(since, plan.judged_since),
    )
    assert row is not None, "an aggregate has a row"
    return Heard(row["sent"], row["bounced"], row["complained"])


async def set_judgement(tx: Tx, tenant_id: UUID, plan: Plan, stop: str | None, warning: str | None) -> None:
    """Stop an active plan, or write its warning, unless its window has begun anew since it was judged."""
    await tx.execute(
        """UPDATE warmup_plan
           SET status = CASE WHEN $3::text IS NULL THEN status ELSE 'stopped' END,
               status_reason = coalesce($3::text, status_reason), warning = $4::text, updated_at = now()
           WHERE tenant_id = $1 AND id = $2 AND status = 'active' AND judged_since = $5
             AND ($3::text IS NOT NULL OR warning IS DISTINCT FROM $4::text)""",
        tenant_id,
        plan.id,
        stop,
        warning,
        plan.judged_since,
    )


async def forget_before(tx: Tx, day: date) -> int:
    """Delete the places of days that no rule looks at any more, of all tenants."""
    return await tx.affected("DELETE FROM warmup_mail WHERE day < $1", day)
