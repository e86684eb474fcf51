"""SQL of templates and their versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from shared.database import Tx
from shared.utils import uuid7

_COLUMNS = """t.id, t.tenant_id, t.name, t.category, t.default_language, t.current_version AS version,
    t.created_at, t.updated_at, t.archived_at,
    ARRAY(SELECT c.language FROM template_content c WHERE c.tenant_id = t.tenant_id AND c.template_id = t.id
          AND c.version = t.current_version ORDER BY c.language) AS languages"""
PARTS = ("subject", "html", "text", "mjml")
Contents = Mapping[str, Mapping[str, Any]]


async def insert(
    tx: Tx, tenant_id: UUID, name: str, category: str | None, default_language: str
) -> UUID | None:
    """The new template's id, at version 1; None when the name is taken."""
    template_id: UUID | None = await tx.fetchval(
        """INSERT INTO template (tenant_id, id, name, category, default_language) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (tenant_id, name) WHERE archived_at IS NULL DO NOTHING RETURNING id""",
        tenant_id,
        uuid7(),
        name,
        category,
        default_language,
    )
    return template_id


async def insert_contents(
    tx: Tx, tenant_id: UUID, template_id: UUID, version: int, contents: Contents
) -> None:
    """All languages of a new version."""
    await tx.executemany(
        """INSERT INTO template_content (tenant_id, template_id, version, language, subject, html, text, mjml)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
        [
            (tenant_id, template_id, version, language, c["subject"], c["html"], c["text"], c["mjml"])
            for language, c in contents.items()
        ],
    )


async def get(tx: Tx, tenant_id: UUID, template_id: UUID) -> dict[str, Any] | None:
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM template t WHERE t.tenant_id = $1 AND t.id = $2", tenant_id, template_id
    )
    return dict(row) if row else None


async def id_of_name(tx: Tx, tenant_id: UUID, name: str) -> UUID | None:
    """The template of this name that is not archived."""
    template_id: UUID | None = await tx.fetchval(
        "SELECT id FROM template WHERE tenant_id = $1 AND name = $2 AND archived_at IS NULL", tenant_id, name
    )
    return template_id


async def lock(tx: Tx, tenant_id: UUID, template_id: UUID) -> bool:
    """Hold a template until the transaction ends, so that versions are made one after the other."""
    sql = "SELECT true FROM template WHERE tenant_id = $1 AND id = $2 FOR UPDATE"
    return bool(await tx.fetchval(sql, tenant_id, template_id))


async def page(
    tx: Tx, tenant_id: UUID, filters: Mapping[str, Any], after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Newest first. `filters`: q (part of the name), category, language, archived (bool)."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM template t
            WHERE t.tenant_id = $1 AND ($2::uuid IS NULL OR t.id < $2)
              AND (t.archived_at IS NOT NULL) = $3
              AND ($4::text IS NULL OR strpos(lower(t.name), lower($4)) > 0)
              AND ($5::text IS NULL OR t.category = $5)
              AND ($6::text IS NULL OR EXISTS (
                    SELECT 1 FROM template_content c WHERE c.tenant_id = $1 AND c.template_id = t.id
                    AND c.version = t.current_version AND c.language = $6))
            ORDER BY t.id DESC LIMIT $7""",
        tenant_id,
        after,
        filters["archived"],
        filters["q"],
        filters["category"],
        filters["language"],
        limit,
    )
    return [dict(row) for row in rows]


async def contents(tx: Tx, tenant_id: UUID, template_id: UUID, version: int) -> dict[str, dict[str, Any]]:
    """Language to subject, html, text and mjml (the HTML's source); empty without such a version."""
    rows = await tx.fetch(
        """SELECT language, subject, html, text, mjml FROM template_content
           WHERE tenant_id = $1 AND template_id = $2 AND version = $3 ORDER BY language""",
        tenant_id,
        template_id,
        version,
    )
    return {row["language"]: {name: row[name] for name in PARTS} for row in rows}


async def versions(
    tx: Tx, tenant_id: UUID, template_id: UUID, before: int | None, limit: int
) -> list[dict[str, Any]]:
    """Latest first."""
    rows = await tx.fetch(
        """SELECT version, array_agg(language ORDER BY language) AS languages, min(created_at) AS created_at
           FROM template_content
           WHERE tenant_id = $1 AND template_id = $2 AND ($3::integer IS NULL OR version < $3)
           GROUP BY version ORDER BY version DESC LIMIT $4""",
        tenant_id,
        template_id,
        before,
        limit,
    )
    return [dict(row) for row in rows]


async def update(tx: Tx, tenant_id: UUID, template_id: UUID, changes: Mapping[str, Any]) -> None:
    """Set name, category, default_language or current_version, those that are given."""
    names = [n for n in ("name", "category", "default_language", "current_version") if n in changes]
    sets = "".join(f", {name} = ${n}" for n, name in enumerate(names, start=3))
    await tx.execute(
        f"UPDATE template SET updated_at = now(){sets} WHERE tenant_id = $1 AND id = $2",
        tenant_id,
        template_id,
        *(changes[name] for name in names),
    )


async def archive(tx: Tx, tenant_id: UUID, template_id: UUID) -> dict[str, Any] | None:
    """Archive a template; None when there is none. Archiving again keeps the first time."""
    row = await tx.fetchrow(
        """UPDATE template SET archived_at = coalesce(archived_at, now())
           WHERE tenant_id = $1 AND id = $2 RETURNING id, archived_at""",
        tenant_id,
        template_id,
    )
    return dict(row) if row else None


async def waiting_campaigns(tx: Tx, tenant_id: UUID, template_id: UUID) -> list[str]:
    """Names of scheduled campaigns that will send this template."""
    rows = await tx.fetch(
        """SELECT name FROM campaign WHERE tenant_id = $1 AND template_id = $2 AND status = 'scheduled'
           ORDER BY name LIMIT 5""",
        tenant_id,
        template_id,
    )
    return [row["name"] for row in rows]
