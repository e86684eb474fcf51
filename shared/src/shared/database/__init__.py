"""Postgres: the pool, tenant transactions, repositories, migrations and roles."""

from shared.database.base_repository import BaseRepository
from shared.database.migrations import SimpleMigrationManager
from shared.database.pool import SimpleDatabase, get_database, init_database, query, tenant_tx
from shared.database.tx import Tx

__all__ = [
    "BaseRepository",
    "SimpleDatabase",
    "SimpleMigrationManager",
    "Tx",
    "get_database",
    "init_database",
    "query",
    "tenant_tx",
]
