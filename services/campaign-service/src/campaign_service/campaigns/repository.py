"""SQL of campaigns and of the template versions they send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx

_COLUMNS = """tenant_id, id, name, channel, sms_text, template_id, template_version, language,
  category, tags_all, tags_any,
  exclude_tags, segment_id, from_name, from_email, reply_to, status, status_reason, scheduled_at,
  max_lateness_seconds,
  external_ref, local_time, time_zone, send_window, send_zones, code_type, code_pool, is_forced,
  started_at, completed_at, recipient_count, created_by, created_at, updated_at"""
_WRITABLE = (
    "name",
    "channel",
    "sms_text",
    "template_id",
    "language",
    "category",
    "tags_all",
    "tags_any",
    "exclude_tags",
    "segment_id",
    "from_name",
    "from_email",
    "reply_to",
    "scheduled_at",
    "max_lateness_seconds",
    "external_ref",
    "local_time",
    "time_zone",
    "send_window",
    "code_type",
    "code_pool",
)


async def insert(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, fields: Mapping[str, Any], created_by: UUID, now: datetime
) -> dict[str, Any]:
    """A new draft."""
    places = ", ".join(f"${n}" for n in range(5, 5 + len(_WRITABLE)))
    row = await tx.fetchrow(
        f"""INSERT INTO campaign (tenant_id, id, created_by, created_at, updated_at, {", ".join(_WRITABLE)})
            VALUES ($1, $2, $3, $4, $4, {places}) RETURNING {_COLUMNS}""",
        tenant_id,
        campaign_id,
        created_by,
        now,
        *(fields[name] for name in _WRITABLE),
    )
    return _found(row)


async def update(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, fields: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Replace what a user may write; the status stays."""
    assignments = ", ".join(f"{name} = ${n}" for n, name in enumerate(_WRITABLE, start=4))
    row = await tx.fetchrow(
        f"""UPDATE campaign SET updated_at = $3, is_forced = false, {assignments}
            WHERE tenant_id = $1 AND id = $2 RETURNING {_COLUMNS}""",
        tenant_id,
        campaign_id,
        now,
        *(fields[name] for name in _WRITABLE),
    )
    return _found(row)


async def get(tx: Tx, tenant_id: UUID, campaign_id: UUID, *, lock: bool = False) -> dict[str, Any] | None:
    """One campaign; with `lock` nobody else changes it before this transaction ends."""
    suffix = " FOR UPDATE" if lock else ""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM campaign WHERE tenant_id = $1 AND id = $2{suffix}", tenant_id, campaign_id
    )
    return dict(row) if row else None


async def page(
    tx: Tx, tenant_id: UUID, status: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[dict[str, Any]]:
    """Up to `limit` campaigns, the newest first, those after (created_at, id) `after`."""
    created_at, last_id = after or (None, None)
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM campaign
            WHERE tenant_id = $1 AND ($2::text IS NULL OR status = $2)
              AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))
            ORDER BY created_at DESC, id DESC LIMIT $5""",
        tenant_id,
        status,
        created_at,
        last_id,
        limit,
    )
    return [dict(row) for row in rows]


async def delete(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> None:
    await tx.execute("DELETE FROM campaign WHERE tenant_id = $1 AND id = $2", tenant_id, campaign_id)


async def set_status(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, status: str, now: datetime, reason: str | None = None
) -> dict[str, Any]:
    """Write the status the caller has worked out; ends of a campaign get their time."""
    row = await tx.fetchrow(
        f"""UPDATE campaign SET status = $3, status_reason = $4, updated_at = $5,
              completed_at = CASE WHEN $3 IN ('sent', 'partially_failed',
                'cancelled') THEN $5::timestamptz END
            WHERE tenant_id = $1 AND id = $2 RETURNING {_COLUMNS}""",
        tenant_id,
        campaign_id,
        status,
        reason,
        now,
    )
    return _found(row)


async def set_schedule(
    tx: Tx,
    tenant_id: UUID,
    campaign_id: UUID,
    status: str,
    at: datetime | None,
    now: datetime,
    *,
    forced: bool = False,
) -> dict[str, Any]:
    """`forced`: it starts in spite of mistakes."""
    row = await tx.fetchrow(
        f"""UPDATE campaign SET status = $3, status_reason = NULL, scheduled_at = $4, updated_at = $5,
              is_forced = $6
            WHERE tenant_id = $1 AND id = $2 RETURNING {_COLUMNS}""",
        tenant_id,
        campaign_id,
        status,
        at,
        now,
        forced,
    )
    return _found(row)


async def set_started(
    tx: Tx,
    tenant_id: UUID,
    campaign_id: UUID,
    template_version: int | None,
    recipients: int,
    zones: Sequence[str],
    now: datetime,
) -> dict[str, Any]:
    row = await tx.fetchrow(
        f"""UPDATE campaign SET status = 'sending', status_reason = NULL, template_version = $3,
          recipient_count = $4, send_zones = $6::text[],
              started_at = $5, completed_at = NULL, updated_at = $5
            WHERE tenant_id = $1 AND id = $2 RETURNING {_COLUMNS}""",
        tenant_id,
        campaign_id,
        template_version,
        recipients,
        now,
        list(zones),
    )
    return _found(row)


async def add_links(tx: Tx, tenant_id: UUID, campaign_id: UUID, urls: Sequence[str]) -> None:
    """Write the links in their order; the index of each is its place."""
    await tx.execute(
        """INSERT INTO campaign_link (tenant_id, campaign_id, link_index, url)
           SELECT $1, $2, n - 1, url FROM unnest($3::text[]) WITH ORDINALITY AS u (url, n)""",
        tenant_id,
        campaign_id,
        list(urls),
    )


async def count_skipped(tx: Tx, tenant_id: UUID, campaign_id: UUID, skipped: int, now: datetime) -> None:
    await tx.execute(
        """INSERT INTO campaign_stats AS s (tenant_id, campaign_id, day, skipped)
           VALUES ($1, $2, ($4 AT TIME ZONE 'UTC')::date, $3)
           ON CONFLICT (tenant_id, campaign_id, day) DO UPDATE SET skipped = s.skipped + excluded.skipped""",
        tenant_id,
        campaign_id,
        skipped,
        now,
    )


async def next_due(tx: Tx, now: datetime) -> dict[str, Any] | None:
    """The longest overdue scheduled campaign of any tenant, locked; None when nothing is due or free."""
    row = await tx.fetchrow(
        f"""SELECT {_COLUMNS} FROM campaign WHERE status = 'scheduled' AND scheduled_at <= $1
            ORDER BY scheduled_at LIMIT 1 FOR UPDATE SKIP LOCKED""",
        now,
    )
    return dict(row) if row else None


async def template(tx: Tx, tenant_id: UUID, template_id: UUID) -> dict[str, Any] | None:
    """The template's name, default language, current version and whether it is archived."""
    row = await tx.fetchrow(
        """SELECT id, name, default_language, current_version, archived_at IS NOT NULL AS is_archived
           FROM template WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        template_id,
    )
    return dict(row) if row else None


async def template_contents(
    tx: Tx, tenant_id: UUID, template_id: UUID, version: int
) -> dict[str, dict[str, Any]]:
    """Language to subject, html and text (None: made from the html)."""
    rows = await tx.fetch(
        """SELECT language, subject, html, text FROM template_content
           WHERE tenant_id = $1 AND template_id = $2 AND version = $3 ORDER BY language""",
        tenant_id,
        template_id,
        version,
    )
    return {row["language"]: dict(row) for row in rows}


async def contact(tx: Tx, tenant_id: UUID, contact_id: UUID | None) -> dict[str, Any] | None:
    """One contact as the renderer needs it; without an id, the tenant's first."""
    row = await tx.fetchrow(
        """SELECT id, email, phone_e164, language, first_name, last_name, country, category, custom_fields
           FROM contact
           WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id = $2) ORDER BY id LIMIT 1""",
        tenant_id,
        contact_id,
    )
    return dict(row) if row else None


def _found(row: Any) -> dict[str, Any]:
    if row is None:
        raise RuntimeError("the campaign was there when this transaction began, and is locked by it")
    return dict(row)
