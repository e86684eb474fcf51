"""The connection pool and the only ways into a transaction."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from shared.config import DatabaseConfig
from shared.database.roles import worker_role
from shared.database.tx import Tx

_STATEMENT_MILLISECONDS = 60_000
_SESSION_SETTINGS = {
    "application_name": "tidings",
    "statement_timeout": str(_STATEMENT_MILLISECONDS),
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "120s",
    "timezone": "UTC",
}


def _to_json(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()


async def _prepare_connection(connection: Any) -> None:
    """json and jsonb are Python objects on both sides."""
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, encoder=_to_json, decoder=orjson.loads, schema="pg_catalog")


async def _roll_back(connection: Any) -> None:
    """Also when a cancelled BEGIN may still be under way: asyncpg waits for it before the next command."""
    with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        if not connection.is_closed():
            await connection.execute("ROLLBACK")


async def _keep_session(_: Any) -> None:
    """Nothing is ever set on a session, so nothing is reset; asyncpg still rolls back what is open."""


class SimpleDatabase:
    """A pool of connections to one service's schema.

    `tenant_tx` and `system_tx` are the ways to write; `query` is for single reads.
    """

    def __init__(self, config: DatabaseConfig, schema: str = "public") -> None:
        self.schema = schema
        self._config = config
        self._pool: asyncpg.Pool | None = None

    async def connect(self) -> None:
        """Open the pool. Calling it again does nothing."""
        if self._pool is None:
            self._pool = await asyncpg.create_pool(
                self._config.url.get_secret_value(),
                min_size=1,
                max_size=self._config.max_connections,
                init=_prepare_connection,
                reset=_keep_session,
                server_settings=_SESSION_SETTINGS | {"search_path": self.schema},
            )

    async def close(self) -> None:
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.close()

    def get_pool(self) -> asyncpg.Pool:
        """The pool itself; RuntimeError before `connect`."""
        if self._pool is None:
            raise RuntimeError("the database is not connected; call connect() first")
        return self._pool

    @asynccontextmanager
    async def tenant_tx(
        self, tenant_id: UUID, *, read_only: bool = False, patience: int | None = None
    ) -> AsyncIterator[Tx]:
        """A transaction that sees one tenant's rows: committed at the end, rolled back on any exception.

        A statement in it ends with an error after `patience` milliseconds, at most a minute.
        """
        begin = f"BEGIN{' READ ONLY' if read_only else ''};SET LOCAL app.tenant_id = '{UUID(str(tenant_id))}'"
        if patience is not None and patience < _STATEMENT_MILLISECONDS:
            begin += f";SET LOCAL statement_timeout = {patience:d}"
        async with self._transaction(begin, tenant_id) as tx:
            yield tx

    @asynccontextmanager
    async def system_tx(self) -> AsyncIterator[Tx]:
        """A transaction over all tenants, for relays, workers and look-ups before the tenant is known."""
        async with self._transaction(f"BEGIN;SET LOCAL ROLE {worker_role(self.schema)}", None) as tx:
            yield tx

    @asynccontextmanager
    async def plain_tx(self) -> AsyncIterator[Tx]:
        """A transaction without a tenant: it sees only tables that belong to no tenant."""
        async with self._transaction("BEGIN", None) as tx:
            yield tx

    @asynccontextmanager
    async def _transaction(self, begin: str, tenant_id: UUID | None) -> AsyncIterator[Tx]:
        async with self.get_pool().acquire() as connection:
            tx = Tx(connection, tenant_id)
            try:
                await connection.execute(begin)
                yield tx
                await connection.execute("COMMIT")
            except BaseException:
                await _roll_back(connection)
                raise
        for hook in tx.after_commit:
            hook()

    async def query(
        self, sql: str, params: Sequence[Any] = (), *, tenant_id: UUID | str | None = None
    ) -> list[dict[str, Any]]:
        """Rows of one statement as dicts. Tables of tenants answer only when `tenant_id` is given."""
        if tenant_id is None:
            rows = await self.get_pool().fetch(sql, *params)
        else:
            async with self.tenant_tx(UUID(str(tenant_id))) as tx:
                rows = await tx.fetch(sql, *params)
        return [dict(row) for row in rows]

    async def health_check(self) -> bool:
        """True when the database answers."""
        try:
            return bool(await self.get_pool().fetchval("SELECT true", timeout=2))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, RuntimeError):
            return False


_default: SimpleDatabase | None = None


async def init_database(config: DatabaseConfig, schema: str = "public") -> SimpleDatabase:
    """Make the process's default database, the one `get_database` and `query` use. Does not connect yet."""
    global _default
    _default = SimpleDatabase(config, schema)
    return _default


def get_database() -> SimpleDatabase:
    """The database of `init_database`; RuntimeError before that."""
    if _default is None:
        raise RuntimeError("no database yet; call init_database() first")
    return _default


async def query(
    sql: str, params: Sequence[Any] = (), *, tenant_id: UUID | str | None = None
) -> list[dict[str, Any]]:
    """`SimpleDatabase.query` on the default database."""
    return await get_database().query(sql, params, tenant_id=tenant_id)


@asynccontextmanager
async def tenant_tx(tenant_id: UUID, database: SimpleDatabase | None = None) -> AsyncIterator[Tx]:
    """`SimpleDatabase.tenant_tx` on the given or the default database."""
    async with (database or get_database()).tenant_tx(tenant_id) as tx:
        yield tx
