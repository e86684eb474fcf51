"""SQL of imports: the record of each, and the merge of staged rows into the contacts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from campaign_service.imports.rows import COPY_OPTIONS, STAGING_COLUMNS
from shared.database import Tx

_FINISHED = ("completed", "failed", "cancelled")
_COLUMNS = """i.id, i.job_id, i.source_id, i.filename, i.size, i.encoding, i.delimiter, i.columns, i.tags,
    i.default_language, i.on_conflict, i.total, i.created, i.updated, i.unchanged, i.duplicate,
    i.rejected, i.created_at,
    i.started_at, coalesce(i.finished_at, j.finished_at) AS finished_at, coalesce(i.error, j.error) AS error,
    coalesce(j.progress, '{}') AS progress,
    CASE WHEN i.status IN ('pending', 'running') AND j.status = 'cancelled' THEN 'cancelled'
         WHEN i.status IN ('pending', 'running') AND j.status = 'failed_permanent' THEN 'failed'
         ELSE i.status END AS status"""
_FROM = "contact_import i LEFT JOIN job j ON j.tenant_id = i.tenant_id AND j.id = i.job_id"


@dataclass(frozen=True, slots=True)
class Merged:
    """What one chunk of staged rows came to."""

    staged: int
    distinct: int
    created: int
    updated: int


async def insert(tx: Tx, tenant_id: UUID, values: dict[str, Any]) -> None:
    names = list(values)
    await tx.execute(
        f"""INSERT INTO contact_import (tenant_id, {", ".join(names)})
            VALUES ($1, {", ".join(f"${n}" for n in range(2, len(names) + 2))})""",
        tenant_id,
        *values.values(),
    )


async def get(tx: Tx, tenant_id: UUID, import_id: UUID) -> dict[str, Any] | None:
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM {_FROM} WHERE i.tenant_id = $1 AND i.id = $2", tenant_id, import_id
    )
    return dict(row) if row else None


async def page(tx: Tx, tenant_id: UUID, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Latest first."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM {_FROM}
            WHERE i.tenant_id = $1 AND ($2::uuid IS NULL OR i.id < $2) ORDER BY i.id DESC LIMIT $3""",
        tenant_id,
        after,
        limit,
    )
    return [dict(row) for row in rows]


async def plan(tx: Tx, tenant_id: UUID, import_id: UUID) -> dict[str, Any] | None:
    """What the job needs to know: file, mapping, options, status and counts."""
    row = await tx.fetchrow(
        """SELECT status, path, mapping, tags, default_language, on_conflict, created_by, source_id,
                  filename, consent, total, created, updated, unchanged, duplicate, rejected
           FROM contact_import WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        import_id,
    )
    return dict(row) if row else None


async def set_status(tx: Tx, tenant_id: UUID, import_id: UUID, status: str, error: str | None = None) -> None:
    await tx.execute(
        """UPDATE contact_import SET status = $3, error = $4,
               started_at = CASE WHEN $3 = 'running' THEN coalesce(started_at, now()) ELSE started_at END,
               finished_at = CASE WHEN $3 = ANY($5::text[]) THEN now() END
           WHERE tenant_id = $1 AND id = $2 AND status <> 'completed'""",
        tenant_id,
        import_id,
        status,
        error,
        list(_FINISHED),
    )


async def complete(tx: Tx, tenant_id: UUID, import_id: UUID, counts: dict[str, int]) -> None:
    await tx.execute(
        """UPDATE contact_import SET status = 'completed', error = NULL, finished_at = clock_timestamp(),
               total = $3, created = $4, updated = $5, unchanged = $6, duplicate = $7, rejected = $8
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        import_id,
        *(counts[name] for name in ("total", "created", "updated", "unchanged", "duplicate", "rejected")),
    )


async def refresh_statistics(tx: Tx) -> None:
    """Let the planner know of rows that this transaction brought. Takes some 100 ms, whatever the size."""
    await tx.execute("SELECT refresh_contact_statistics()")


async def try_lock(tx: Tx, tenant_id: UUID) -> bool:
    """Make this transaction the tenant's only import; False when there is one: two could block each other."""
    sql = "SELECT pg_try_advisory_xact_lock(hashtextextended('import ' || $1, 0))"
    return bool(await tx.fetchval(sql, str(tenant_id)))


async def open_staging(tx: Tx) -> None:
    """Temporary tables of this transaction: the rows of one chunk, and the addresses of all chunks before.

    Plans are made without looking at the tenant: statistics do not know a new one, and of no contacts any
    index seems as good as the one by address. The merge would read all that it has brought for each row.
    """
    await tx.execute(
        """SET LOCAL work_mem = '64MB';
           SET LOCAL plan_cache_mode = force_generic_plan;
           SET LOCAL statement_timeout = '10min';
           CREATE TEMPORARY TABLE import_row (
               line_number bigint NOT NULL, id uuid NOT NULL, email text,
               email_lower text COLLATE "C" GENERATED ALWAYS AS (lower(email)) STORED,
               phone text, first_name text, last_name text, language text, country text, time_zone text,
               category text, custom_fields jsonb NOT NULL, tags text[],
               phone_e164 text COLLATE "C"
           ) ON COMMIT DROP;
           CREATE TEMPORARY TABLE import_seen (email_lower text COLLATE "C" NOT NULL) ON COMMIT DROP"""
    )


async def stage(tx: Tx, parts: Sequence[bytes]) -> None:
    """Put a chunk's rows in the place of those of the chunk before.

    What was planned when there were no contacts is planned anew: it may read all of them for each row.
    """

    async def source() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    await tx.execute("TRUNCATE import_row; DISCARD PLANS")
    await tx.copy_csv("import_row", source(), STAGING_COLUMNS, **COPY_OPTIONS)


def _on_conflict(target: str, mode: str, *, says_language: bool) -> str:
    """What happens to a contact that is there: `new` wins, `old` wins, or nothing."""
    if mode == "skip":
        return "DO NOTHING"
    names = ("phone", "first_name", "last_name", "country", "time_zone", "category")
    new, old = "excluded.{0}", "c.{0}"
    first, second = (new, old) if mode == "update" else (old, new)
    values = {name: f"coalesce({first.format(name)}, {second.format(name)})" for name in names}
    # Every contact has a language, so there is never a gap to fill.
    if mode == "update" and says_language:
        values["language"] = "excluded.language"
    merged = [part.format("custom_fields") for part in (second, first)]
    values["custom_fields"] = " || ".join(merged)
    # A contact stays with the source that brought it first.
    values["source_id"] = "coalesce(c.source_id, excluded.source_id)"
    # A phone is read by the country it is in. Who has no address is known by the number, which stays.
    read = f"CASE WHEN c.country IS NOT DISTINCT FROM {values['country']} OR c.email IS NULL"
    return f"""{target} DO UPDATE SET
        {", ".join(f"{name} = {value}" for name, value in values.items())},
        phone_tried = {read} THEN c.phone_tried END, updated_at = now()
        WHERE ({", ".join(f"c.{name}" for name in values)}) IS DISTINCT FROM ({", ".join(values.values())})"""


def _merged(insert: str, target: str, mode: str) -> str:
    """The part of a statement that inserts the rows `r` or does what `mode` says, as `merged`.

    Contacts keep their language where the file says none. Rows are told apart by that beforehand: to look up
    each contact's language is quick until Postgres plans it for a table that it found to be empty.
    """

    def part(rows: str, *, says_language: bool) -> str:
        rule = _on_conflict(target, mode, says_language=says_language)
        return f"{insert} WHERE {rows} ORDER BY r.id ON CONFLICT {rule} RETURNING (xmax = 0) AS is_new"

    return f"""said AS ({part("r.language IS NOT NULL", says_language=True)}),
        unsaid AS ({part("r.language IS NULL", says_language=False)}),
        merged AS (SELECT is_new FROM said UNION ALL SELECT is_new FROM unsaid)"""


def _merge_sql(on_conflict: str) -> str:
    """Parameters: tenant, import, default language, source."""
    insert = """INSERT INTO contact AS c (tenant_id, id, email, phone, first_name, last_name, language,
                                          country, time_zone, category, custom_fields, source_id, status)
            SELECT $1, r.id, r.email, r.phone, r.first_name, r.last_name, coalesce(r.language, $3),
                   r.country, r.time_zone, r.category, r.custom_fields, $4,
                   CASE r.reason WHEN 'unsubscribed' THEN 'unsubscribed' WHEN 'hard_bounce' THEN 'invalid'
                       WHEN 'invalid' THEN 'invalid' WHEN 'complaint' THEN 'blacklisted'
                       WHEN 'manual' THEN 'blacklisted' ELSE 'valid' END
            FROM src r"""
    return f"""WITH ranked AS MATERIALIZED (
            SELECT r.*, s.email_lower IS NULL
                   AND row_number() OVER (PARTITION BY r.email_lower ORDER BY r.line_number) = 1 AS counts
            FROM import_row r LEFT JOIN import_seen s ON s.email_lower = r.email_lower
            WHERE r.email IS NOT NULL
        ), src AS MATERIALIZED (
            SELECT r.*, p.reason FROM ranked r LEFT JOIN (
                SELECT DISTINCT ON (address_lower) address_lower, reason FROM suppression
                WHERE tenant_id = $1 AND channel = 'email' AND expires_at IS NULL
                ORDER BY address_lower, scope) p ON p.address_lower = r.email_lower
            WHERE r.counts
        ), seen AS (
            INSERT INTO import_seen SELECT email_lower FROM src
        ), repeated AS (
            INSERT INTO contact_import_rejection
                (tenant_id, import_id, line_number, reason_code, reason, raw)
            SELECT $1, $2, r.line_number, 'duplicate_in_file',
                   'the address is on an earlier line too; that line counts', r.email
            FROM ranked r WHERE NOT r.counts
        ), {_merged(insert, "(tenant_id, email_lower)", on_conflict)}
        SELECT (SELECT count(*) FROM import_row) AS staged, (SELECT count(*) FROM src) AS distinct_rows,
               count(*) FILTER (WHERE is_new) AS created, count(*) FILTER (WHERE NOT is_new) AS updated
        FROM merged"""


async def merge(
    tx: Tx,
    tenant_id: UUID,
    import_id: UUID,
    *,
    default_language: str,
    on_conflict: str,
    source_id: UUID | None = None,
) -> Merged:
    """The staged rows into the contacts, in one statement.

    Of rows with the same address the first one counts, the others are noted as duplicates. New contacts
    whose address is suppressed get the status of the suppression.
    """
    # Temporary tables have no statistics; a nested loop over them, chosen by mistake, would take minutes.
    await tx.execute("SET LOCAL enable_nestloop = off")
    await tx.execute(
        """SELECT set_config('erasure.none_of_tenant', CASE WHEN EXISTS (
               SELECT 1 FROM erased_address WHERE tenant_id = $1) THEN '' ELSE $1::text END, true)""",
        tenant_id,
    )
    row = await tx.fetchrow(
        _merge_sql(on_conflict),
        tenant_id,
        import_id,
        default_language,
        source_id,
    )
    assert row is not None
    merged = Merged(*row)
    if await tx.fetchval("SELECT EXISTS (SELECT 1 FROM import_row WHERE email IS NULL)"):
        texted = await _merge_phones(tx, tenant_id, import_id, default_language, on_conflict, source_id)
        merged = Merged(
            merged.staged,
            merged.distinct + texted.distinct,
            merged.created + texted.created,
            merged.updated + texted.updated,
        )
    await tx.execute("SET LOCAL enable_nestloop = on")
    return merged


async def _merge_phones(
    tx: Tx,
    tenant_id: UUID,
    import_id: UUID,
    default_language: str,
    on_conflict: str,
    source_id: UUID | None,
) -> Merged:
    """The staged rows without an address: people who are told apart by their number."""
    insert = """INSERT INTO contact AS c (tenant_id, id, phone, phone_e164, phone_tried, first_name,
                                          last_name, language, country, time_zone, category,
                                          custom_fields, source_id)
                SELECT $1, r.id, r.phone, r.phone_e164, r.phone, r.first_name, r.last_name,
                       coalesce(r.language, $3), r.country, r.time_zone, r.category, r.custom_fields, $4
                FROM src r"""
    row = await tx.fetchrow(
        f"""WITH ranked AS MATERIALIZED (
                SELECT r.*, s.email_lower IS NULL
                       AND row_number() OVER (PARTITION BY r.phone_e164 ORDER BY r.line_number) = 1 AS counts
                FROM import_row r LEFT JOIN import_seen s ON s.email_lower = r.phone_e164
                WHERE r.email IS NULL
            ), src AS (
                SELECT * FROM ranked WHERE counts
            ), seen AS (
                INSERT INTO import_seen SELECT phone_e164 FROM src
            ), repeated AS (
                INSERT INTO contact_import_rejection
                    (tenant_id, import_id, line_number, reason_code, reason, raw)
                SELECT $1, $2, r.line_number, 'duplicate_in_file',
                       'the number is on an earlier line too; that line counts', r.phone
                FROM ranked r WHERE NOT r.counts
            ), {_merged(insert, "(tenant_id, phone_e164) WHERE email IS NULL", on_conflict)}
            SELECT 0 AS staged, (SELECT count(*) FROM src) AS distinct_rows,
                   count(*) FILTER (WHERE is_new) AS created, count(*) FILTER (WHERE NOT is_new) AS updated
            FROM merged""",
        tenant_id,
        import_id,
        default_language,
        source_id,
    )
    assert row is not None
    return Merged(*row)


async def staged_tags(tx: Tx, limit: int) -> list[str]:
    """Slugs named by the staged rows themselves, at most `limit`."""
    rows = await tx.fetch(
        "SELECT DISTINCT unnest(tags) AS slug FROM import_row WHERE tags IS NOT NULL LIMIT $1", limit
    )
    return [row["slug"] for row in rows]


async def tag_staged(tx: Tx, tenant_id: UUID, tag_ids: Sequence[UUID]) -> None:
    """Give all contacts of the staged rows the same tags."""
    await tx.execute(
        """INSERT INTO contact_tag (tenant_id, tag_id, contact_id)
           SELECT $1, t.id, c.id FROM import_row r
           JOIN contact c ON c.tenant_id = $1 AND c.email_lower = r.email_lower
           CROSS JOIN unnest($2::uuid[]) AS t(id)
           UNION ALL
           SELECT $1, t.id, c.id FROM import_row r
           JOIN contact c ON c.tenant_id = $1 AND c.phone_e164 = r.phone_e164 AND c.email IS NULL
           CROSS JOIN unnest($2::uuid[]) AS t(id) WHERE r.email IS NULL
           ON CONFLICT DO NOTHING""",
        tenant_id,
        list(tag_ids),
    )


async def tag_staged_by_row(tx: Tx, tenant_id: UUID) -> None:
    """Give the contacts of the staged rows the tags their rows name."""
    await tx.execute(
        """INSERT INTO contact_tag (tenant_id, tag_id, contact_id)
           SELECT $1, t.id, c.id FROM import_row r
           CROSS JOIN unnest(r.tags) AS g(slug)
           JOIN tag t ON t.tenant_id = $1 AND t.slug = g.slug
           JOIN contact c ON c.tenant_id = $1 AND c.email_lower = r.email_lower
           UNION ALL
           SELECT $1, t.id, c.id FROM import_row r
           CROSS JOIN unnest(r.tags) AS g(slug)
           JOIN tag t ON t.tenant_id = $1 AND t.slug = g.slug
           JOIN contact c ON c.tenant_id = $1 AND c.phone_e164 = r.phone_e164 AND c.email IS NULL
           WHERE r.email IS NULL
           ON CONFLICT DO NOTHING""",
        tenant_id,
    )


async def reject(tx: Tx, tenant_id: UUID, import_id: UUID, rejections: Sequence[Sequence[Any]]) -> None:
    """Note rows that cannot become contacts, as (line, code, reason, raw)."""
    if not rejections:
        return
    lines, codes, reasons, raws = zip(*rejections, strict=True)
    await tx.execute(
        """INSERT INTO contact_import_rejection (tenant_id, import_id, line_number, reason_code, reason, raw)
           SELECT $1, $2, * FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[])""",
        tenant_id,
        import_id,
        lines,
        codes,
        reasons,
        raws,
    )


async def rejections(
    tx: Tx, tenant_id: UUID, import_id: UUID, after: int | None, limit: int
) -> list[dict[str, Any]]:
    """In the order of lines."""
    rows = await tx.fetch(
        """SELECT line_number, reason_code, reason, raw FROM contact_import_rejection
           WHERE tenant_id = $1 AND import_id = $2 AND line_number > $3 ORDER BY line_number LIMIT $4""",
        tenant_id,
        import_id,
        after or 0,
        limit,
    )
    return [dict(row) for row in rows]


async def unfinished_paths(tx: Tx) -> set[str]:
    """Files that imports of any tenant still need."""
    rows = await tx.fetch(
        f"""SELECT i.path FROM {_FROM}
            WHERE i.status IN ('pending', 'running')
              AND coalesce(j.status, 'pending') IN ('pending', 'running')"""
    )
    return {row["path"] for row in rows}
