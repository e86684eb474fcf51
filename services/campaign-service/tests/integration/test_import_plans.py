"""How Postgres finds the contacts that an import's rows belong to."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from campaign_service.imports import repository
from shared.config import DatabaseConfig
from shared.database import SimpleDatabase
from shared.utils import uuid7


@pytest.mark.parametrize("is_vacuumed", [False, True], ids=["new table", "table found to be empty"])
async def test_a_tenant_that_statistics_do_not_know_imports_as_others_do(
    db: SimpleDatabase, database_dsn: str, is_vacuumed: bool
) -> None:
    """Each row is looked up by its address, and not among all that the import has brought so far."""
    if is_vacuumed:
        admin = SimpleDatabase(DatabaseConfig(url=SecretStr(database_dsn)), "campaign")
        await admin.connect()
        await admin.query("VACUUM contact")
        await admin.close()
    read = []
    for _ in range(4):
        async with db.tenant_tx(uuid7()) as tx:
            await repository.open_staging(tx)
            for chunk in range(3):
                await repository.stage(tx, [])
                await tx.execute(
                    """INSERT INTO import_row (line_number, id, email, custom_fields)
                       SELECT n, gen_random_uuid(), md5(n::text) || '@example.com', '{}'
                       FROM generate_series($1::int, $1::int + 999) AS n""",
                    chunk * 1000,
                )
                await repository.merge(tx, tx.tenant, uuid7(), default_language="en", on_conflict="new")
            read.append(
                await tx.fetchval(
                    """SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables
                       WHERE relname = 'contact'"""
                )
            )
            await repository.refresh_statistics(tx)
    assert max(read) < 10_000
