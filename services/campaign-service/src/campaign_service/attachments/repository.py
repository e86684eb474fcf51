"""SQL of files and of the mails that carry them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx
from shared.utils import uuid7

_FILE = """id, tenant_id, name, content_type, size, encode(sha256, 'hex') AS sha256, created_at, deleted_at"""
_MAX_USES = 5


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose mails carry a file: exactly one of these."""

    template_id: UUID | None = None
    template_version: int | None = None
    campaign_id: UUID | None = None
    message_id: UUID | None = None

    def condition(self, first: int) -> tuple[str, list[Any]]:
        """SQL that holds for its rows, with parameters from `first` on."""
        names = ("template_id", "template_version", "campaign_id", "message_id")
        given = [(name, getattr(self, name)) for name in names if getattr(self, name) is not None]
        sql = " AND ".join(f"u.{name} = ${n}" for n, (name, _) in enumerate(given, start=first))
        return sql, [value for _, value in given]


async def insert(tx: Tx, tenant_id: UUID, values: Mapping[str, Any]) -> UUID:
    """`values`: name, content_type, content, is_listed, created_by."""
    attachment_id = uuid7()
    await tx.execute(
        """INSERT INTO attachment
             (tenant_id, id, name, content_type, content, size, sha256, is_listed, created_by)
           VALUES ($1, $2, $3, $4, $5::bytea, length($5::bytea), sha256($5::bytea), $6, $7)""",
        tenant_id,
        attachment_id,
        *(values[name] for name in ("name", "content_type", "content", "is_listed", "created_by")),
    )
    return attachment_id


async def page(tx: Tx, tenant_id: UUID, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Newest first, without deleted ones and those of single messages."""
    rows = await tx.fetch(
        f"""SELECT {_FILE} FROM attachment
            WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2) AND is_listed AND deleted_at IS NULL
            ORDER BY id DESC LIMIT $3""",
        tenant_id,
        after,
        limit,
    )
    return [dict(row) for row in rows]


async def get(tx: Tx, tenant_id: UUID, attachment_id: UUID, *, lock: bool = False) -> dict[str, Any] | None:
    """A listed file; with `lock` nobody deletes it before this transaction ends."""
    row = await tx.fetchrow(
        f"""SELECT {_FILE} FROM attachment WHERE tenant_id = $1 AND id = $2 AND is_listed
            {"FOR SHARE" if lock else ""}""",
        tenant_id,
        attachment_id,
    )
    return dict(row) if row else None


async def content(tx: Tx, tenant_id: UUID, attachment_id: UUID) -> bytes | None:
    sql = "SELECT content FROM attachment WHERE tenant_id = $1 AND id = $2 AND is_listed"
    found: bytes | None = await tx.fetchval(sql, tenant_id, attachment_id)
    return found


async def delete(tx: Tx, tenant_id: UUID, attachment_id: UUID) -> None:
    """Take the content away; name and size stay for the record of what was sent."""
    await tx.execute(
        """UPDATE attachment SET content = NULL, deleted_at = now()
           WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL""",
        tenant_id,
        attachment_id,
    )


async def needed_by(tx: Tx, tenant_id: UUID, attachment_id: UUID) -> list[str]:
    """What will still send a file, held against deletion; a few names."""
    await tx.execute(
        "SELECT 1 FROM attachment WHERE tenant_id = $1 AND id = $2 FOR UPDATE", tenant_id, attachment_id
    )
    rows = await tx.fetch(
        """SELECT 'template ' || t.name AS name FROM mail_attachment u
             JOIN template t ON t.tenant_id = $1 AND t.id = u.template_id
             WHERE u.tenant_id = $1 AND u.attachment_id = $2
               AND t.archived_at IS NULL AND u.template_version = t.current_version
           UNION SELECT 'campaign ' || c.name FROM mail_attachment u
             JOIN campaign c ON c.tenant_id = $1
               AND (c.id = u.campaign_id
                    OR (c.template_id = u.template_id AND c.template_version = u.template_version)
                    OR EXISTS (SELECT 1 FROM campaign_variant v
                               WHERE v.tenant_id = $1 AND v.campaign_id = c.id
                                 AND v.template_id = u.template_id
                                 AND v.template_version = u.template_version))
             WHERE u.tenant_id = $1 AND u.attachment_id = $2
               AND c.status IN ('draft', 'scheduled', 'sending', 'paused')
           UNION SELECT 'message to ' || m.recipient_email FROM mail_attachment u
             JOIN message m ON m.tenant_id = $1 AND m.id = u.message_id
             WHERE u.tenant_id = $1 AND u.attachment_id = $2
               AND m.state IN ('queued', 'failed_retry', 'attempting')
           ORDER BY name LIMIT $3""",
        tenant_id,
        attachment_id,
        _MAX_USES,
    )
    return [row["name"] for row in rows]


async def uses(tx: Tx, tenant_id: UUID, owner: Owner, *, with_content: bool = False) -> list[dict[str, Any]]:
    """The files of an owner, in the order in which they were attached; a deleted one's content is None."""
    condition, values = owner.condition(2)
    rows = await tx.fetch(
        f"""SELECT u.attachment_id, u.content_id, a.name, a.content_type, a.size
                   {", a.content" if with_content else ""}
            FROM mail_attachment u JOIN attachment a ON a.tenant_id = $1 AND a.id = u.attachment_id
            WHERE u.tenant_id = $1 AND {condition} ORDER BY u.id""",
        tenant_id,
        *values,
    )
    return [dict(row) for row in rows]


async def add_use(tx: Tx, tenant_id: UUID, owner: Owner, attachment_id: UUID, content_id: str | None) -> bool:
    """False when the owner has this file already."""
    return bool(
        await tx.affected(
            """INSERT INTO mail_attachment (tenant_id, id, attachment_id, content_id, template_id,
                 template_version, campaign_id, message_id)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING""",
            tenant_id,
            uuid7(),
            attachment_id,
            content_id,
            owner.template_id,
            owner.template_version,
            owner.campaign_id,
            owner.message_id,
        )
    )


async def copy_uses(tx: Tx, tenant_id: UUID, source: Owner, targets: Sequence[Owner]) -> None:
    """What `source` carries, for each of `targets` too."""
    for use in await uses(tx, tenant_id, source):
        for target in targets:
            await add_use(tx, tenant_id, target, use["attachment_id"], use["content_id"])


async def remove_use(tx: Tx, tenant_id: UUID, owner: Owner, attachment_id: UUID) -> bool:
    """False when the owner does not have this file."""
    condition, values = owner.condition(3)
    sql = f"DELETE FROM mail_attachment u WHERE u.tenant_id = $1 AND u.attachment_id = $2 AND {condition}"
    return bool(await tx.affected(sql, tenant_id, attachment_id, *values))


async def forget_sent(tx: Tx, before: datetime, limit: int) -> int:
    """Take away what files of any tenant's single messages held that came before then; how many.

    A message that is still to be sent keeps its own.
    """
    return await tx.affected(
        """WITH old AS MATERIALIZED (
             SELECT a.tenant_id, a.id FROM attachment a
             WHERE NOT a.is_listed AND a.deleted_at IS NULL AND a.created_at < $1
               AND NOT EXISTS (SELECT 1 FROM mail_attachment u
                               JOIN message m ON m.tenant_id = u.tenant_id AND m.id = u.message_id
                               WHERE u.tenant_id = a.tenant_id AND u.attachment_id = a.id
                                 AND m.state IN ('queued', 'failed_retry', 'attempting'))
             LIMIT $2 FOR UPDATE OF a SKIP LOCKED)
           UPDATE attachment a SET content = NULL, deleted_at = now() FROM old
           WHERE a.tenant_id = old.tenant_id AND a.id = old.id""",
        before,
        limit,
    )
