"""Tenant transactions, roles, repositories and migrations on a real server, as the runtime role."""

import asyncio
import random
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from pydantic import BaseModel

from shared import (
    BaseRepository,
    SimpleDatabase,
    SimpleMigrationManager,
    ValidationError,
    init_database,
    query,
    uuid7,
)
from shared.config import SERVICES, DatabaseConfig, ServiceSpec
from shared.database.setup import BUS_USER, status
from shared.errors import ConfigurationError
from shared.testing.plugin import OpenDatabase

# Tables without a tenant, and why.
SYSTEM_TABLES = {
    "schema_migrations": "the ledger of migrations",
    "outbox": "on its way out; read by the relay alone",
    "outbox_refused": "could not leave; read by operators alone",
    "inbox": "ids of events already handled",
    "cache_entry": "keys are built with the tenant inside",
    "rate_counter": "keys are digests",
    "job_schedule": "of the installation",
    "job_schedule_run": "of the installation",
    "queue_control": "of the installation",
    "login_throttle": "keys are digests of addresses",
    "signing_key": "of the installation",
    "revoked_session": "random ids alone",
    "city": "open data, the same for all",
    "sale": "open data, the same for all",
    "source_file": "of the installation",
    "visitor_salt": "of the installation",
    "fienta_lease": "keys are digests of accounts, which tenants may share",
}
# Their tenant may be null (a job of the installation), and the policy hides such rows from every tenant.
OPTIONAL_TENANT = {"job", "job_log"}
# Foreign keys of tenants' tables without the tenant, and why.
KNOWN_FOREIGN_KEYS = {
    "job_log_job_id_fkey": "a job's tenant may be null",
    "assignment_sale_id_fkey": "sales are the same for all",
}


class KeyRow(BaseModel):
    tenant_id: UUID
    key: str
    route: str
    fingerprint: str
    status: int | None = None


class Keys(BaseRepository[KeyRow]):
    def __init__(self, database: SimpleDatabase) -> None:
        super().__init__("idempotency_key", KeyRow, database)


def row(tenant: UUID, key: str = "k") -> dict[str, object]:
    return {"tenant_id": tenant, "key": key, "route": "POST /x", "fingerprint": "f"}


async def test_tenant_sees_only_its_rows(open_database: OpenDatabase, tenant_a: UUID, tenant_b: UUID) -> None:
    keys = Keys(await open_database("campaign"))
    await keys.create(row(tenant_a))
    await keys.create(row(tenant_b))
    assert [k.tenant_id for k in await keys.find_by_filters({"tenant_id": tenant_a}, order_by="key")] == [
        tenant_a
    ]


async def test_without_a_tenant_nothing_is_seen_and_nothing_can_be_written(
    open_database: OpenDatabase, tenant_a: UUID
) -> None:
    db = await open_database("campaign")
    await Keys(db).create(row(tenant_a))
    assert await db.query("SELECT * FROM idempotency_key") == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await db.query(
            "INSERT INTO idempotency_key (tenant_id, key, route, fingerprint) VALUES ($1, 'x', '', '')",
            [tenant_a],
        )


async def test_rows_of_another_tenant_cannot_be_made_or_moved(
    open_database: OpenDatabase, tenant_a: UUID, tenant_b: UUID
) -> None:
    db = await open_database("campaign")
    await Keys(db).create(row(tenant_a))
    async with db.tenant_tx(tenant_b) as tx:
        assert await tx.affected("UPDATE idempotency_key SET route = 'mine' WHERE key = 'k'") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with db.tenant_tx(tenant_a) as tx:
            await tx.execute("UPDATE idempotency_key SET tenant_id = $1", tenant_b)


async def test_tenant_of_a_transaction_does_not_outlive_it(
    open_database: OpenDatabase, tenant_a: UUID
) -> None:
    db = await open_database("campaign", max_connections=1)
    await Keys(db).create(row(tenant_a))
    with pytest.raises(ZeroDivisionError):
        async with db.tenant_tx(tenant_a) as tx:
            await tx.execute("DELETE FROM idempotency_key")
            raise ZeroDivisionError
    assert await db.query("SELECT * FROM idempotency_key") == []
    assert len(await db.query("SELECT * FROM idempotency_key", tenant_id=tenant_a)) == 1


async def test_system_transaction_sees_every_tenant_and_can_go_down_to_one(
    open_database: OpenDatabase, tenant_a: UUID, tenant_b: UUID
) -> None:
    db = await open_database("campaign")
    for tenant in (tenant_a, tenant_b):
        await Keys(db).create(row(tenant))
    async with db.system_tx() as tx:
        assert await tx.fetchval("SELECT count(*) FROM idempotency_key") == 2
        await tx.set_tenant(tenant_a)
        assert await tx.fetchval("SELECT count(*) FROM idempotency_key") == 1


async def test_cancelled_requests_never_leave_a_tenant_behind(open_database: OpenDatabase) -> None:
    db = await open_database("campaign", max_connections=2)
    tenants = [uuid7() for _ in range(10)]
    for tenant in tenants:
        await Keys(db).create(row(tenant))
    seen: list[tuple[UUID, set[UUID]]] = []

    async def request(tenant: UUID) -> None:
        async with db.tenant_tx(tenant) as tx:
            await tx.execute("SELECT pg_sleep($1)", random.random() / 200)
            rows = await tx.fetch("SELECT tenant_id FROM idempotency_key")
            seen.append((tenant, {r["tenant_id"] for r in rows}))

    async def cut_short(tenant: UUID) -> None:
        try:
            await asyncio.wait_for(request(tenant), timeout=random.random() / 50)
        except TimeoutError:
            return

    await asyncio.gather(*(cut_short(random.choice(tenants)) for _ in range(200)))
    await asyncio.gather(*(request(tenant) for tenant in tenants))
    assert len(seen) >= len(tenants)
    assert all(rows == {tenant} for tenant, rows in seen)


async def test_after_commit_hooks_run_only_after_a_commit(
    open_database: OpenDatabase, tenant_a: UUID
) -> None:
    db = await open_database("campaign")
    ran: list[str] = []
    async with db.tenant_tx(tenant_a) as tx:
        tx.after_commit.append(lambda: ran.append("committed"))
        assert ran == []
    with pytest.raises(ValueError, match="stop"):
        async with db.tenant_tx(tenant_a) as tx:
            tx.after_commit.append(lambda: ran.append("rolled back"))
            raise ValueError("stop")
    assert ran == ["committed"]


@pytest.mark.parametrize("service", SERVICES, ids=lambda s: s.name)
async def test_every_table_is_guarded_or_known(database_dsn: str, service: ServiceSpec) -> None:
    schema = service.schema
    connection = await asyncpg.connect(database_dsn)
    rows = await connection.fetch(
        """
        SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS forced,
               EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'
                       AND NOT a.attisdropped
                       AND (a.attnotnull OR c.relname = ANY ($2))) AS has_tenant,
               EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenant_isolation'
                       AND p.polqual IS NOT NULL AND p.polwithcheck IS NOT NULL) AS policy,
               EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid
                         AND a.attnum = i.indkey[0]
                       WHERE i.indrelid = c.oid AND a.attname = 'tenant_id') AS indexed
          FROM pg_class c WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'p')""",
        schema,
        list(OPTIONAL_TENANT),
    )
    await connection.close()
    assert rows
    wrong = [
        r["relname"]
        for r in rows
        if r["relname"] not in SYSTEM_TABLES
        and not (
            r["forced"] and r["has_tenant"] and r["policy"] and (r["indexed"] or r["relname"] == "job_log")
        )
    ]
    assert wrong == []


@pytest.mark.parametrize("service", SERVICES, ids=lambda s: s.name)
async def test_foreign_keys_between_tenant_tables_carry_the_tenant(
    database_dsn: str, service: ServiceSpec
) -> None:
    connection = await asyncpg.connect(database_dsn)
    rows = await connection.fetch(
        """
        SELECT con.conname, array_agg(a.attname::text) AS columns FROM pg_constraint con
          JOIN pg_class t ON t.oid = con.conrelid
          JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = ANY (con.conkey)
         WHERE con.contype = 'f' AND con.conparentid = 0 AND t.relnamespace = to_regnamespace($1)
           AND EXISTS (SELECT 1 FROM pg_attribute x
                        WHERE x.attrelid = con.conrelid AND x.attname = 'tenant_id')
         GROUP BY con.conname""",
        service.schema,
    )
    await connection.close()
    without = {r["conname"] for r in rows if "tenant_id" not in r["columns"]}
    assert without - KNOWN_FOREIGN_KEYS.keys() == set()


async def test_a_service_cannot_read_another_schema(open_database: OpenDatabase) -> None:
    db = await open_database("campaign")
    for other in ("auth", "gateway"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.query(f"SELECT * FROM {other}.outbox")


async def test_runtime_roles_own_nothing_and_obey_row_level_security(database_dsn: str) -> None:
    connection = await asyncpg.connect(database_dsn)
    roles = await connection.fetch(
        "SELECT rolname, rolbypassrls, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles"
        " WHERE rolname LIKE 'tidings%'"
    )
    owned = await connection.fetchval(
        "SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
        " WHERE r.rolname LIKE 'tidings%' AND r.rolname NOT LIKE '%owner'"
    )
    await connection.close()
    assert BUS_USER in {r["rolname"] for r in roles}
    assert not any(any(list(r.values())[1:]) for r in roles)
    assert owned == 0


async def test_repository_refuses_names_that_are_not_columns(
    open_database: OpenDatabase, tenant_a: UUID
) -> None:
    keys = Keys(await open_database("campaign"))
    evil = "key = 'k' OR true --"
    with pytest.raises(ValidationError):
        await keys.find_by_filters({"tenant_id": tenant_a, evil: 1})
    with pytest.raises(ValidationError):
        await keys.create({**row(tenant_a), evil: 1})
    with pytest.raises(ValidationError):
        await keys.update("a", {evil: 1}, tenant_id=tenant_a)
    with pytest.raises(ValidationError):
        await keys.find_by_filters({"tenant_id": tenant_a}, order_by=evil)


async def test_default_database_answers_queries(database_dsn: str, open_database: OpenDatabase) -> None:
    made = await open_database("campaign")
    db = await init_database(made._config, "campaign")
    await db.connect()
    try:
        assert await query("SELECT $1::int AS n", [7]) == [{"n": 7}]
        assert await db.get_pool().fetchval("SELECT 1") == 1
        assert await db.health_check()
    finally:
        await db.close()
    assert not await db.health_check()


async def test_migrations_run_whole_functions_once_and_refuse_changes(
    database_dsn: str, tmp_path: Path
) -> None:
    db = SimpleDatabase(DatabaseConfig(url=database_dsn))
    await db.connect()
    manager = SimpleMigrationManager(db, tmp_path)
    first = await manager.create_migration("Add user preferences table")
    second = await manager.create_migration("add user preferences table")
    assert [first, second] == ["0001_add_user_preferences_table.sql", "0002_add_user_preferences_table.sql"]
    (tmp_path / first).write_text(
        "-- a comment; with a semicolon\nCREATE TABLE preference (note text DEFAULT 'a;b');\n"
        "CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN n := n * 2; RETURN n; END $$;"
    )
    (tmp_path / second).write_text("INSERT INTO preference DEFAULT VALUES;")
    assert (await manager.get_status())["total_pending"] == 2
    runs = await asyncio.gather(manager.run_migrations(), manager.run_migrations())
    assert sorted(map(len, runs)) == [0, 2]
    assert await db.query("SELECT note, twice(4) AS eight FROM preference") == [{"note": "a;b", "eight": 8}]
    (tmp_path / second).write_text("SELECT 1;")
    with pytest.raises(ConfigurationError, match="changed"):
        await manager.get_status()
    await db.close()


async def test_a_failing_migration_leaves_nothing_behind(database_dsn: str, tmp_path: Path) -> None:
    db = SimpleDatabase(DatabaseConfig(url=database_dsn))
    await db.connect()
    (tmp_path / "0001_half.sql").write_text("CREATE TABLE half (n int); SELECT 1/0;")
    manager = SimpleMigrationManager(db, tmp_path)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await manager.run_migrations()
    assert await db.query("SELECT to_regclass('half') AS t") == [{"t": None}]
    assert (await manager.get_status())["total_executed"] == 0
    await db.close()


async def test_template_has_every_migration(database_dsn: str) -> None:
    assert not any((await status(database_dsn)).values())
