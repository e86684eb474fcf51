"""How Postgres finds the contacts that an import's rows belong to."""

from __future__ import annotations

from campaign_service.imports import repository
from shared.database import SimpleDatabase
from shared.utils import uuid7


async def test_a_tenant_that_statistics_do_not_know_imports_as_others_do(db: SimpleDatabase) -> None:
    """Each row is looked up by its address, and not among all that the import has brought so far."""
    read = []
    for _ in range(4):
        async with db.tenant_tx(uuid7()) as tx:
            await repository.open_staging(tx)
            for chunk in range(3):
                await tx.execute("TRUNCATE import_row")
                await tx.execute(
                    """INSERT INTO import_row (line_number, id, email, custom_fields)
                       SELECT n, gen_random_uuid(), md5(n::text) || '@example.com', '{}'
                       FROM generate_series($1::int, $1::int + 999) AS n""",
                    chunk * 1000,
                )
                await repository.merge(tx, tx.tenant, uuid7(), default_language="en", on_conflict="new")
            read.append(
                await tx.fetchval(
                    "SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'contact'"
                )
            )
            await repository.refresh_statistics(tx)
    assert max(read) < 10_000
