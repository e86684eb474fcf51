"""The way from a job to the tenant's ticket shop."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol
from uuid import UUID

from code_service.fienta.port import FientaDiscounts, KeepArtifact
from code_service.fienta.session import open_fienta
from code_service.settings import Settings
from shared.database import SimpleDatabase
from shared.web import Runtime

_EXTRA = "automation.open_shop"


class OpenShop(Protocol):
    """See `fienta.session.open_fienta`."""

    def __call__(
        self,
        settings: Settings,
        db: SimpleDatabase,
        tenant_id: UUID,
        *,
        event: str | None,
        check: Callable[[], None],
        keep: KeepArtifact | None,
        headless: bool,
    ) -> AbstractAsyncContextManager[FientaDiscounts]: ...


def use_shop(runtime: Runtime | Any, opener: OpenShop) -> None:
    """Let the jobs of this runtime open their shop another way: for tests and demonstrations."""
    runtime.extras[_EXTRA] = opener


def shop_of(runtime: Runtime | Any) -> OpenShop:
    opener: OpenShop = runtime.extras.get(_EXTRA, open_fienta)
    return opener
