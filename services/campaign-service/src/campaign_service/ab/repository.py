"""SQL of variants and their test."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from campaign_service.ab.significance import Figures, Verdict
from shared.database import Tx

_TEST = """campaign_id, test_percent, wait_seconds, metric, automatic, tested_at, decide_at, winner, outcome,
  p_value, decided_at, decided_by"""


async def find(tx: Tx, tenant_id: UUID, campaign_id: UUID, *, lock: bool = False) -> dict[str, Any] | None:
    """The campaign's test with its `variants`; None when it has none."""
    row = await tx.fetchrow(
        f"""SELECT {_TEST} FROM campaign_test WHERE tenant_id = $1 AND campaign_id = $2
            {"FOR UPDATE" if lock else ""}""",
        tenant_id,
        campaign_id,
    )
    if row is None:
        return None
    variants = await tx.fetch(
        """SELECT number, subject, sms_text, template_id, template_version, from_name, tested, reactions
           FROM campaign_variant WHERE tenant_id = $1 AND campaign_id = $2 ORDER BY number""",
        tenant_id,
        campaign_id,
    )
    return {**row, "variants": [dict(variant) for variant in variants]}


async def insert(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, rules: dict[str, Any], variants: Sequence[dict[str, Any]]
) -> None:
    """A test that has not begun, in place of none."""
    await tx.execute(
        """INSERT INTO campaign_test
             (tenant_id, campaign_id, test_percent, wait_seconds, metric, automatic)
           VALUES ($1, $2, $3, $4, $5, $6)""",
        tenant_id,
        campaign_id,
        rules["test_percent"],
        rules["wait_seconds"],
        rules["metric"],
        rules["automatic"],
    )
    await tx.execute(
        """INSERT INTO campaign_variant
             (tenant_id, campaign_id, number, subject, sms_text, template_id, from_name)
           SELECT $1, $2, u.number, u.subject, u.sms_text, u.template_id, u.from_name
           FROM unnest($3::text[], $4::text[], $5::uuid[], $6::text[]) WITH ORDINALITY
             AS u (subject, sms_text, template_id, from_name, number)""",
        tenant_id,
        campaign_id,
        [variant["subject"] for variant in variants],
        [variant["sms_text"] for variant in variants],
        [variant["template_id"] for variant in variants],
        [variant["from_name"] for variant in variants],
    )


async def delete(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> bool:
    """False when there is no test."""
    gone = await tx.affected(
        "DELETE FROM campaign_test WHERE tenant_id = $1 AND campaign_id = $2", tenant_id, campaign_id
    )
    return gone > 0


async def set_version(tx: Tx, tenant_id: UUID, campaign_id: UUID, number: int, version: int) -> None:
    await tx.execute(
        """UPDATE campaign_variant SET template_version = $4
           WHERE tenant_id = $1 AND campaign_id = $2 AND number = $3""",
        tenant_id,
        campaign_id,
        number,
        version,
    )


async def set_tested(tx: Tx, tenant_id: UUID, campaign_id: UUID, now: datetime) -> None:
    """The test group has its mails: the wait begins."""
    await tx.execute(
        """UPDATE campaign_test
           SET tested_at = $3::timestamptz, decide_at = $3::timestamptz + make_interval(secs => wait_seconds)
           WHERE tenant_id = $1 AND campaign_id = $2""",
        tenant_id,
        campaign_id,
        now,
    )


async def set_winner(
    tx: Tx,
    tenant_id: UUID,
    campaign_id: UUID,
    verdict: Verdict,
    figures: Sequence[Figures],
    decided_by: UUID | None,
    now: datetime,
) -> None:
    """Write the decision and the figures it was made by."""
    await tx.execute(
        """UPDATE campaign_test SET winner = $3, outcome = $4, p_value = $5, decided_by = $6, decided_at = $7
           WHERE tenant_id = $1 AND campaign_id = $2""",
        tenant_id,
        campaign_id,
        verdict.winner,
        verdict.outcome,
        verdict.p_value,
        decided_by,
        now,
    )
    await tx.execute(
        """UPDATE campaign_variant v SET tested = u.tested, reactions = u.reactions
           FROM unnest($3::int[], $4::int[], $5::int[]) AS u (number, tested, reactions)
           WHERE v.tenant_id = $1 AND v.campaign_id = $2 AND v.number = u.number""",
        tenant_id,
        campaign_id,
        [figure.number for figure in figures],
        [figure.tested for figure in figures],
        [figure.reactions for figure in figures],
    )


async def figures(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> dict[int, dict[str, int]]:
    """Variant to its figures; 0 are those who have none."""
    rows = await tx.fetch(
        """SELECT variant, sum(n)::int AS recipients, sum(accepted)::int AS sent,
                  sum(bounced)::int AS bounced, sum(opened)::int AS opens, sum(clicked)::int AS clicks,
                  sum(unsubscribed)::int AS unsubscribed
           FROM recipient_figure
           WHERE tenant_id = $1 AND campaign_id = $2 AND state <> 'skipped'
           GROUP BY variant HAVING sum(n) <> 0""",
        tenant_id,
        campaign_id,
    )
    return {row["variant"]: dict(row) for row in rows}


async def held(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> int:
    """How many wait for the winner."""
    number: int = await tx.fetchval(
        """SELECT coalesce(sum(n), 0)::int FROM recipient_figure
           WHERE tenant_id = $1 AND campaign_id = $2 AND state = 'queued' AND variant = 0""",
        tenant_id,
        campaign_id,
    )
    return number
