"""What callers ask of validation, free of HTTP."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from campaign_service.validation.schemas import ValidateIn, ValidationAccepted
from shared.database import Tx
from shared.web import Runtime

JOB_TYPE = "contacts.validate"


class ValidateContactsBulkUseCase:
    """Have a tenant's addresses validated in the background."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def execute(
        self, tx: Tx, tenant_id: UUID, request: ValidateIn, created_by: UUID | None = None
    ) -> ValidationAccepted:
        """Enqueue the job. Raises `JobAlreadyActive` while the tenant has one that waits or runs."""
        # Fixed here: a job that is tried again leaves out what it has done.
        before = self._runtime.clock.now() - timedelta(days=request.max_age_days)
        payload = request.model_dump(mode="json") | {"before": before.isoformat()}
        job = await self._runtime.jobs.enqueue(
            tx,
            JOB_TYPE,
            payload,
            tenant_id=tenant_id,
            unique_key="all",
            created_by=str(created_by) if created_by else None,
        )
        return ValidationAccepted(job_id=job.id)
