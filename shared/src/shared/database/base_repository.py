"""Create, read, update and delete for one table and its model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel

from shared.database.pool import SimpleDatabase, get_database
from shared.database.tx import Tx
from shared.errors import ValidationError
from shared.utils.ids import uuid7

M = TypeVar("M", bound=BaseModel)


class BaseRepository(Generic[M]):
    """Rows of `table` as `model`. Column names come from the model alone: any other key is refused.

    With a `tx` the calls join that transaction. Without one each call has its own, in the context of
    `tenant_id` when the filters or the data hold it.
    """

    def __init__(self, table: str, model: type[M], database: SimpleDatabase | None = None) -> None:
        if not all(part.isidentifier() for part in table.split(".")):
            raise ValueError(f"{table!r} is not a table name")
        self.table = table
        self.model = model
        self._database = database
        self._columns = ", ".join(f'"{name}"' for name in model.model_fields)

    async def find_by_id(
        self, row_id: UUID | str, *, tenant_id: UUID | str | None = None, tx: Tx | None = None
    ) -> M | None:
        filters: dict[str, Any] = {"id": row_id}
        if tenant_id is not None:
            filters["tenant_id"] = tenant_id
        rows = await self.find_by_filters(filters, limit=1, tx=tx)
        return rows[0] if rows else None

    async def find_by_filters(
        self,
        filters: Mapping[str, Any],
        *,
        limit: int = 100,
        offset: int = 0,
        order_by: str = "id",
        tx: Tx | None = None,
    ) -> list[M]:
        """Rows equal in every filter (None matches null), ordered, at most `limit`."""
        where, values = self._where(filters)
        sql = (
            f"SELECT {self._columns} FROM {self.table}{where} ORDER BY {self._name(order_by)}"
            f" LIMIT ${len(values) + 1} OFFSET ${len(values) + 2}"
        )
        async with self._within(tx, filters) as inner:
            rows = await inner.fetch(sql, *values, limit, offset)
        return [self.model.model_validate(dict(row)) for row in rows]

    async def count(self, filters: Mapping[str, Any], *, tx: Tx | None = None) -> int:
        where, values = self._where(filters)
        async with self._within(tx, filters) as inner:
            return int(await inner.fetchval(f"SELECT count(*) FROM {self.table}{where}", *values))

    async def create(self, data: Mapping[str, Any], *, tx: Tx | None = None) -> M:
        """Insert one row; an `id` is made when the model has one and none is given."""
        row = dict(data)
        if "id" in self.model.model_fields:
            row.setdefault("id", uuid7())
        names = ", ".join(self._name(key) for key in row)
        marks = ", ".join(f"${n}" for n in range(1, len(row) + 1))
        sql = f"INSERT INTO {self.table} ({names}) VALUES ({marks}) RETURNING {self._columns}"
        async with self._within(tx, row) as inner:
            made = await inner.fetchrow(sql, *map(_value, row.items()))
        assert made is not None
        return self.model.model_validate(dict(made))

    async def update(
        self,
        row_id: UUID | str,
        changes: Mapping[str, Any],
        *,
        tenant_id: UUID | str | None = None,
        tx: Tx | None = None,
    ) -> M | None:
        """Change one row; None when there is none (or it is another tenant's)."""
        if not changes:
            return await self.find_by_id(row_id, tenant_id=tenant_id, tx=tx)
        sets = ", ".join(f"{self._name(key)} = ${n}" for n, key in enumerate(changes, 1))
        filters = {"id": row_id} | ({"tenant_id": tenant_id} if tenant_id is not None else {})
        where, values = self._where(filters, first=len(changes) + 1)
        sql = f"UPDATE {self.table} SET {sets}{where} RETURNING {self._columns}"
        async with self._within(tx, filters) as inner:
            row = await inner.fetchrow(sql, *map(_value, changes.items()), *values)
        return self.model.model_validate(dict(row)) if row else None

    async def delete(
        self, row_id: UUID | str, *, tenant_id: UUID | str | None = None, tx: Tx | None = None
    ) -> bool:
        """True when a row went."""
        filters = {"id": row_id} | ({"tenant_id": tenant_id} if tenant_id is not None else {})
        where, values = self._where(filters)
        async with self._within(tx, filters) as inner:
            return await inner.affected(f"DELETE FROM {self.table}{where}", *values) > 0

    def _name(self, column: str) -> str:
        if column not in self.model.model_fields:
            raise ValidationError(f"{column} is not a column of {self.table}", field=column)
        return f'"{column}"'

    def _where(self, filters: Mapping[str, Any], first: int = 1) -> tuple[str, list[Any]]:
        conditions: list[str] = []
        values: list[Any] = []
        for key, value in filters.items():
            if value is None:
                conditions.append(f"{self._name(key)} IS NULL")
            else:
                conditions.append(f"{self._name(key)} = ${first + len(values)}")
                values.append(_value((key, value)))
        return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), values

    @asynccontextmanager
    async def _within(self, tx: Tx | None, known: Mapping[str, Any]) -> AsyncIterator[Tx]:
        if tx is not None:
            yield tx
            return
        database = self._database or get_database()
        tenant = known.get("tenant_id")
        opened = database.tenant_tx(UUID(str(tenant))) if tenant else database.plain_tx()
        async with opened as inner:
            yield inner


def _value(item: tuple[str, Any]) -> Any:
    key, value = item
    if isinstance(value, str) and (key == "id" or key.endswith("_id")):
        try:
            return UUID(value)
        except ValueError:
            raise ValidationError(f"{key} is not a UUID", field=key) from None
    return value
