"""What callers ask of templates, free of HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from campaign_service.templates import service
from campaign_service.templates.schemas import TemplateIn, TemplateUpdate
from shared.database import Tx


class CreateTemplateUseCase:
    """A new template at version 1."""

    async def execute(self, tx: Tx, tenant_id: UUID, request: TemplateIn) -> dict[str, Any]:
        """Raises TemplateNameTakenError, TemplateSyntaxError, ValidationError."""
        return await service.create(tx, tenant_id, request)


class UpdateTemplateUseCase:
    """Changed contents make a new version of all languages."""

    async def execute(
        self, tx: Tx, tenant_id: UUID, template_id: UUID, request: TemplateUpdate
    ) -> dict[str, Any]:
        """Raises NotFoundError, TemplateArchivedError, TemplateNameTakenError, TemplateSyntaxError."""
        return await service.update(tx, tenant_id, template_id, request)
