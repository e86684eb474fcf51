"""SQL of recipients' codes and of the requests for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from campaign_service.campaigns.holds.repository import HELD
from shared.database import Tx

_REQUEST = "tenant_id, id, campaign_id, wanted, code_type, code_pool, try_after"
# Somebody whose mail may have gone once keeps the code that was in it.
_UNUSED = "code IS NOT NULL AND state IN ('skipped', 'cancelled') AND possible_repeats = 0"


async def request(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> dict[str, Any] | None:
    """The campaign's request that is on its way, locked."""
    row = await tx.fetchrow(
        f"SELECT {_REQUEST} FROM code_request WHERE tenant_id = $1 AND campaign_id = $2 FOR UPDATE",
        tenant_id,
        campaign_id,
    )
    return dict(row) if row else None


async def postpone(tx: Tx, tenant_id: UUID, request_id: UUID, until: datetime) -> None:
    """Nobody makes the request before this time."""
    await tx.execute(
        "UPDATE code_request SET try_after = $3 WHERE tenant_id = $1 AND id = $2",
        tenant_id,
        request_id,
        until,
    )


async def mark(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, request_id: UUID, *, any_variant: bool, limit: int
) -> int:
    """Say for which held recipients codes are about to be requested; how many.

    Without `any_variant` those who have none wait for the winner, not for a code.
    """
    return await tx.affected(
        f"""UPDATE campaign_recipient SET code_request = $3
            WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = ANY(ARRAY(
              SELECT contact_id FROM campaign_recipient
              WHERE tenant_id = $1 AND campaign_id = $2 AND {HELD} AND code IS NULL
                AND (variant > 0 OR $4::boolean)
              ORDER BY variant, contact_id LIMIT $5 FOR UPDATE SKIP LOCKED))""",
        tenant_id,
        campaign_id,
        request_id,
        any_variant,
        limit,
    )


async def add_request(tx: Tx, request: dict[str, Any], now: datetime) -> None:
    await tx.execute(
        f"""INSERT INTO code_request ({_REQUEST}, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
        *(request[name] for name in _REQUEST.split(", ")),
        now,
    )


async def give(
    tx: Tx,
    request: dict[str, Any],
    codes: Sequence[str],
    winner: int | None,
    moments: Sequence[tuple[str, datetime | None]],
) -> int:
    """Write the codes to the recipients they were requested for, and let them go; how many got one.

    Who was skipped or cancelled meanwhile gets one too: that is how it is found and given back.
    """
    return await tx.affected(
        """WITH marked AS (
             SELECT contact_id, row_number() OVER (ORDER BY contact_id) AS place FROM campaign_recipient
             WHERE tenant_id = $1 AND campaign_id = $2 AND code_request = $3)
           UPDATE campaign_recipient r
           SET code = u.code,
               variant = CASE WHEN r.variant = 0 THEN coalesce($5::smallint, 0) ELSE r.variant END,
               next_attempt_at = CASE WHEN r.state = 'queued'
                 THEN ($7::timestamptz[])[array_position($6::text[], r.send_zone)] END
           FROM marked m JOIN unnest($4::text[]) WITH ORDINALITY AS u (code, place) ON u.place = m.place
           WHERE r.tenant_id = $1 AND r.campaign_id = $2 AND r.contact_id = m.contact_id""",
        request["tenant_id"],
        request["campaign_id"],
        request["id"],
        list(codes),
        winner,
        [zone for zone, _ in moments],
        [moment for _, moment in moments],
    )


async def close(tx: Tx, request: dict[str, Any]) -> None:
    """The request is over; who got nothing from it waits for the next."""
    await tx.execute(
        """UPDATE campaign_recipient SET code_request = NULL
           WHERE tenant_id = $1 AND campaign_id = $2 AND code_request = $3 AND code IS NULL""",
        request["tenant_id"],
        request["campaign_id"],
        request["id"],
    )
    await tx.execute(
        "DELETE FROM code_request WHERE tenant_id = $1 AND id = $2", request["tenant_id"], request["id"]
    )


async def unused(tx: Tx, limit: int) -> list[tuple[UUID, UUID]]:
    """(tenant, request) of codes, over all tenants, whose recipients will never get the mail."""
    rows = await tx.fetch(
        f"SELECT DISTINCT tenant_id, code_request FROM campaign_recipient WHERE {_UNUSED} LIMIT $1", limit
    )
    return [(row["tenant_id"], row["code_request"]) for row in rows]


async def unused_codes(tx: Tx, tenant_id: UUID, request_id: UUID) -> list[str]:
    """Those of one request; at most as many as it asked for."""
    rows = await tx.fetch(
        f"SELECT code FROM campaign_recipient WHERE tenant_id = $1 AND code_request = $2 AND {_UNUSED}",
        tenant_id,
        request_id,
    )
    return [row["code"] for row in rows]


async def forget(tx: Tx, tenant_id: UUID, request_id: UUID, codes: Sequence[str]) -> None:
    """These codes are nobody's any more."""
    await tx.execute(
        f"""UPDATE campaign_recipient SET code = NULL, code_request = NULL
            WHERE tenant_id = $1 AND code_request = $2 AND {_UNUSED} AND code = ANY($3::text[])""",
        tenant_id,
        request_id,
        list(codes),
    )
