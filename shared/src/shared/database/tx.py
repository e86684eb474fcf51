"""A transaction as services see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

import asyncpg


class Savepoint:
    """Part of a transaction that can be undone by itself. asyncpg's own needs one begun through asyncpg."""

    __slots__ = ("_connection", "_name")

    def __init__(self, connection: Any, name: str) -> None:
        self._connection = connection
        self._name = name

    async def start(self) -> None:
        await self._connection.execute(f"SAVEPOINT {self._name}")

    async def rollback(self) -> None:
        """Undo everything since the start."""
        await self._connection.execute(f"ROLLBACK TO SAVEPOINT {self._name}; RELEASE SAVEPOINT {self._name}")

    async def commit(self) -> None:
        """Keep it, as far as the whole transaction is kept."""
        await self._connection.execute(f"RELEASE SAVEPOINT {self._name}")


class Tx:
    """One open transaction on one connection.

    `tenant_id` is the tenant whose rows it sees, None inside `system_tx`. Functions in `after_commit` run
    once the transaction has been committed, and never when it was rolled back.
    """

    __slots__ = ("_connection", "_savepoints", "after_commit", "tenant_id")

    def __init__(self, connection: Any, tenant_id: UUID | None) -> None:
        self._connection = connection
        self.tenant_id = tenant_id
        self.after_commit: list[Callable[[], None]] = []
        self._savepoints = 0

    @property
    def tenant(self) -> UUID:
        """The tenant; RuntimeError in a transaction that has none."""
        if self.tenant_id is None:
            raise RuntimeError("this transaction has no tenant")
        return self.tenant_id

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self._connection.fetch(sql, *args)
        return rows

    async def fetchrow(self, sql: str, *args: Any) -> asyncpg.Record | None:
        row: asyncpg.Record | None = await self._connection.fetchrow(sql, *args)
        return row

    async def fetchval(self, sql: str, *args: Any) -> Any:
        return await self._connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: Any) -> str:
        """Run a statement; its command tag, such as `UPDATE 3`."""
        tag: str = await self._connection.execute(sql, *args)
        return tag

    async def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        await self._connection.executemany(sql, rows)

    async def affected(self, sql: str, *args: Any) -> int:
        """Run a statement; how many rows it changed."""
        last = (await self.execute(sql, *args)).rsplit(" ", 1)[-1]
        return int(last) if last.isdigit() else 0

    async def copy_records(
        self, table: str, records: Iterable[Sequence[Any]], columns: Sequence[str]
    ) -> None:
        """COPY rows into a temporary or staging table. Tables under row-level security refuse COPY."""
        await self._connection.copy_records_to_table(table, records=records, columns=list(columns))

    async def copy_csv(self, table: str, source: Any, columns: Sequence[str], **options: Any) -> None:
        """COPY CSV text (bytes, path, file or async iterable) into a temporary or staging table."""
        await self._connection.copy_to_table(
            table, source=source, columns=list(columns), format="csv", **options
        )

    def cursor(self, sql: str, *args: Any, prefetch: int = 500) -> Any:
        """Async iterator over a large result, `prefetch` rows a round trip."""
        return self._connection.cursor(sql, *args, prefetch=prefetch)

    async def savepoint(self) -> Savepoint:
        """A started nested transaction: call its `rollback()` or `commit()`."""
        self._savepoints += 1
        nested = Savepoint(self._connection, f"tidings_{self._savepoints}")
        await nested.start()
        return nested

    async def set_tenant(self, tenant_id: UUID) -> None:
        """Go from the cross-tenant role to one tenant for the rest of the transaction."""
        await self._connection.execute(
            "SELECT set_config('role', 'none', true), set_config('app.tenant_id', $1, true)", str(tenant_id)
        )
        self.tenant_id = tenant_id
