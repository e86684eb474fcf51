"""SQL of tags and of their associations with contacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.database import Tx
from shared.utils import uuid7

_COLUMNS = """t.id, t.tenant_id, t.slug, t.name, t.description, t.color, t.created_at, t.updated_at,
    (SELECT coalesce(sum(f.n), 0)::bigint FROM tag_figure f
     WHERE f.tenant_id = t.tenant_id AND f.tag_id = t.id) AS contact_count"""


async def insert(
    tx: Tx, tenant_id: UUID, slug: str, name: str, description: str | None, color: str | None
) -> UUID | None:
    """The new tag's id; None when the slug is taken."""
    tag_id: UUID | None = await tx.fetchval(
        """INSERT INTO tag (tenant_id, id, slug, name, description, color) VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (tenant_id, slug) DO NOTHING RETURNING id""",
        tenant_id,
        uuid7(),
        slug,
        name,
        description,
        color,
    )
    return tag_id


async def get(tx: Tx, tenant_id: UUID, tag_id: UUID) -> dict[str, Any] | None:
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM tag t WHERE t.tenant_id = $1 AND t.id = $2", tenant_id, tag_id
    )
    return dict(row) if row else None


async def page(tx: Tx, tenant_id: UUID, q: str | None, after: str | None, limit: int) -> list[dict[str, Any]]:
    """In the order of slugs; `q` is a part of slug or name."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM tag t
            WHERE t.tenant_id = $1 AND ($2::text IS NULL OR t.slug > $2)
              AND ($3::text IS NULL OR strpos(t.slug, lower($3)) > 0 OR strpos(lower(t.name), lower($3)) > 0)
            ORDER BY t.slug LIMIT $4""",
        tenant_id,
        after,
        q,
        limit,
    )
    return [dict(row) for row in rows]


async def lock(tx: Tx, tenant_id: UUID, tag_id: UUID) -> str | None:
    """The slug of a tag that stays as it is until the transaction ends; None when there is none."""
    slug: str | None = await tx.fetchval(
        "SELECT slug FROM tag WHERE tenant_id = $1 AND id = $2 FOR UPDATE", tenant_id, tag_id
    )
    return slug


async def id_of_slug(tx: Tx, tenant_id: UUID, slug: str) -> UUID | None:
    tag_id: UUID | None = await tx.fetchval(
        "SELECT id FROM tag WHERE tenant_id = $1 AND slug = $2", tenant_id, slug
    )
    return tag_id


async def update(tx: Tx, tenant_id: UUID, tag_id: UUID, changes: dict[str, Any]) -> None:
    await tx.execute(
        """UPDATE tag SET slug = CASE WHEN $3 ? 'slug' THEN $3->>'slug' ELSE slug END,
               name = CASE WHEN $3 ? 'name' THEN $3->>'name' ELSE name END,
               description = CASE WHEN $3 ? 'description' THEN $3->>'description' ELSE description END,
               color = CASE WHEN $3 ? 'color' THEN $3->>'color' ELSE color END,
               updated_at = now()
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        tag_id,
        changes,
    )


async def delete(tx: Tx, tenant_id: UUID, tag_id: UUID) -> bool:
    """Delete a tag with its associations."""
    return bool(await tx.affected("DELETE FROM tag WHERE tenant_id = $1 AND id = $2", tenant_id, tag_id))


async def waiting_campaigns(tx: Tx, tenant_id: UUID, slug: str) -> list[str]:
    """Names of scheduled campaigns whose audience the tag decides."""
    rows = await tx.fetch(
        """SELECT name FROM campaign WHERE tenant_id = $1 AND status = 'scheduled'
             AND ($2 = ANY(tags_all) OR $2 = ANY(tags_any) OR $2 = ANY(exclude_tags))
           ORDER BY name LIMIT 5""",
        tenant_id,
        slug,
    )
    return [row["name"] for row in rows]


async def ensure(tx: Tx, tenant_id: UUID, slugs: Sequence[str]) -> dict[str, UUID]:
    """Slug to id; tags that do not exist are made, named like their slug."""
    wanted = sorted(set(slugs))
    if not wanted:
        return {}
    await tx.execute(
        """INSERT INTO tag (tenant_id, id, slug, name)
           SELECT $1, id, slug, slug FROM unnest($2::uuid[], $3::text[]) AS g(id, slug)
           ON CONFLICT (tenant_id, slug) DO NOTHING""",
        tenant_id,
        [uuid7() for _ in wanted],
        wanted,
    )
    rows = await tx.fetch(
        "SELECT slug, id FROM tag WHERE tenant_id = $1 AND slug = ANY($2::text[]) FOR KEY SHARE",
        tenant_id,
        wanted,
    )
    return {row["slug"]: row["id"] for row in rows}


async def attach(tx: Tx, tenant_id: UUID, contact_ids: Sequence[UUID], tag_ids: Sequence[UUID]) -> list[UUID]:
    """Give contacts tags; the ids of those that got one they did not have. Unknown ids are left out."""
    rows = await tx.fetch(
        """WITH given AS (
               INSERT INTO contact_tag (tenant_id, tag_id, contact_id)
               SELECT $1, t.id, c.id FROM contact c CROSS JOIN unnest($3::uuid[]) AS t(id)
               WHERE c.tenant_id = $1 AND c.id = ANY($2::uuid[])
               ON CONFLICT DO NOTHING RETURNING contact_id)
           SELECT DISTINCT contact_id FROM given""",
        tenant_id,
        list(contact_ids),
        list(tag_ids),
    )
    return [row["contact_id"] for row in rows]


async def detach(tx: Tx, tenant_id: UUID, contact_ids: Sequence[UUID], slugs: Sequence[str]) -> list[UUID]:
    """Take tags from contacts; the ids of the contacts that had one."""
    rows = await tx.fetch(
        """WITH taken AS (
               DELETE FROM contact_tag ct USING tag t
               WHERE ct.tenant_id = $1 AND t.tenant_id = $1 AND t.id = ct.tag_id
                 AND ct.contact_id = ANY($2::uuid[]) AND t.slug = ANY($3::text[])
               RETURNING ct.contact_id)
           SELECT DISTINCT contact_id FROM taken""",
        tenant_id,
        list(contact_ids),
        list(slugs),
    )
    return [row["contact_id"] for row in rows]


async def replace(tx: Tx, tenant_id: UUID, contact_id: UUID, slugs: Sequence[str]) -> None:
    """Make `slugs` the tags of a contact."""
    ids = await ensure(tx, tenant_id, slugs)
    await tx.execute(
        "DELETE FROM contact_tag WHERE tenant_id = $1 AND contact_id = $2 AND tag_id <> ALL($3::uuid[])",
        tenant_id,
        contact_id,
        list(ids.values()),
    )
    await attach(tx, tenant_id, [contact_id], list(ids.values()))
