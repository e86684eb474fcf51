"""SQL of what defined custom fields ask of staged rows, before and after they are merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from campaign_service.contacts.privacy.repository import LATELY
from shared.database import Tx


async def demand(tx: Tx, tenant_id: UUID, import_id: UUID, keys: Sequence[str]) -> int:
    """Reject staged rows that would be new contacts without a value of every key; how many."""
    return int(
        await tx.fetchval(
            """WITH gone AS (
                   DELETE FROM import_row r
                   WHERE NOT r.custom_fields ?& $3::text[]
                     AND NOT EXISTS (SELECT 1 FROM contact c
                                     WHERE c.tenant_id = $1 AND c.email_lower = r.email_lower)
                     AND NOT (r.email IS NULL
                              AND EXISTS (SELECT 1 FROM contact c WHERE c.tenant_id = $1
                                          AND c.phone_e164 = r.phone_e164 AND c.email IS NULL))
                   RETURNING r.line_number, r.email, r.phone, r.custom_fields
               ), noted AS (
                   INSERT INTO contact_import_rejection
                       (tenant_id, import_id, line_number, reason_code, reason, raw)
                   SELECT $1, $2, g.line_number, 'field_required',
                          (SELECT k FROM unnest($3::text[]) AS k WHERE NOT g.custom_fields ? k LIMIT 1)
                              || ' is required for a new contact',
                          coalesce(g.email, g.phone)
                   FROM gone g)
               SELECT count(*) FROM gone""",
            tenant_id,
            import_id,
            list(keys),
        )
    )


async def fill(tx: Tx, tenant_id: UUID, defaults: Mapping[str, Any]) -> None:
    """Give contacts that the staged rows made the defaults of fields they have no value of."""
    await tx.execute(
        """UPDATE contact c SET custom_fields = $2::jsonb || c.custom_fields FROM import_row r
           WHERE c.tenant_id = $1 AND c.id = r.id AND NOT c.custom_fields ?& $3::text[]""",
        tenant_id,
        dict(defaults),
        list(defaults),
    )


# What the import has said of addresses and numbers. A rejected line may have its own anywhere.
_SAID = """SELECT email_lower AS word FROM import_seen
    UNION SELECT lower(word) FROM contact_import_rejection r,
                 regexp_split_to_table(r.raw, '[\\s,;:"''<>()|]+') AS word
          WHERE r.tenant_id = $1 AND r.import_id = $2"""


async def forget_barred(tx: Tx, tenant_id: UUID, import_id: UUID) -> int:
    """Take those out of an import whose addresses were barred while it ran; how many contacts they were.

    Only rows that this transaction made: the erasure sees all others, and nobody waits for it.
    """
    words = await tx.fetchval(
        f"""SELECT coalesce(array_agg(word), '{{}}') FROM ({_SAID}) s
            WHERE erasure_digest($1, word) = ANY(ARRAY({LATELY}))""",
        tenant_id,
        import_id,
    )
    await tx.execute(
        """DELETE FROM contact_import_rejection WHERE tenant_id = $1 AND import_id = $2
             AND EXISTS (SELECT 1 FROM unnest($3::text[]) AS word WHERE strpos(lower(raw), word) > 0)""",
        tenant_id,
        import_id,
        words,
    )
    gone = await tx.fetch(
        """DELETE FROM contact WHERE tenant_id = $1
             AND (email_lower = ANY($2::text[]) OR (email IS NULL AND phone_e164 = ANY($2::text[])))
             AND created_at = now() AND xmin = pg_current_xact_id()::xid
           RETURNING id""",
        tenant_id,
        words,
    )
    await tx.execute(
        """UPDATE contact_consent SET contact_id = NULL, source = NULL, shown_text = NULL, ip_digest = NULL,
               actor = NULL
           WHERE tenant_id = $1 AND contact_id = ANY($2::uuid[])""",
        tenant_id,
        [row["id"] for row in gone],
    )
    return len(gone)
