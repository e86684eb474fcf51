"""HTTP: the app factory, what routes ask for, and the edge."""

from shared.web.app import create_service_app
from shared.web.dependencies import (
    AdminUser,
    CurrentUser,
    OperatorUser,
    OwnerUser,
    ReadTx,
    RuntimeDep,
    SenderUser,
    ServiceCaller,
    SystemTx,
    TenantPath,
    TenantTx,
    require_proven,
    require_role,
)
from shared.web.idempotency import Idem, IdempotencyGuard
from shared.web.pagination import Page, PageParams, decode_cursor, encode_cursor
from shared.web.runtime import Overrides, Runtime
from shared.web.server import run_service, serve

__all__ = [
    "AdminUser",
    "CurrentUser",
    "Idem",
    "IdempotencyGuard",
    "OperatorUser",
    "Overrides",
    "OwnerUser",
    "Page",
    "PageParams",
    "ReadTx",
    "Runtime",
    "RuntimeDep",
    "SenderUser",
    "ServiceCaller",
    "SystemTx",
    "TenantPath",
    "TenantTx",
    "create_service_app",
    "decode_cursor",
    "encode_cursor",
    "require_proven",
    "require_role",
    "run_service",
    "serve",
]
