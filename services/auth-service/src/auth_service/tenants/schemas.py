"""Shapes of a tenant."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from auth_service.schemas import Body, OrganisationName
from auth_service.tenants.repository import TenantRecord
from shared.utils.validation import validate_time_zone

_HOST = re.compile(r"^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$")


def _domain(value: str) -> str:
    name = value.strip().rstrip(".").lower()
    if not _HOST.match(name):
        raise ValueError("not a domain name")
    return name


def _distinct(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


Domain = Annotated[str, Field(max_length=254, examples=["mail.example.com"]), AfterValidator(_domain)]
TimeZone = Annotated[str, Field(max_length=64, examples=["Europe/Paris"]), AfterValidator(validate_time_zone)]


class TenantChanges(Body):
    """Only what is given is changed; null takes a brand domain away."""

    name: OrganisationName | None = None
    time_zone: TimeZone | None = None
    brand_domain: Domain | None = None
    sending_domains: Annotated[list[Domain], Field(max_length=50), AfterValidator(_distinct)] | None = None
    retention_days: Annotated[int, Field(ge=30, le=3650)] | None = None


class TenantOut(BaseModel):
    """An organisation and its settings. `retention_days` is how long mail events are kept."""

    id: UUID
    name: str
    slug: str
    status: Literal["active", "disabled"]
    time_zone: str
    brand_domain: str | None
    sending_domains: list[str]
    retention_days: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, tenant: TenantRecord) -> Self:
        return cls(
            id=tenant.tenant_id,
            name=tenant.name,
            slug=tenant.slug,
            status=tenant.status,
            time_zone=tenant.time_zone,
            brand_domain=tenant.brand_domain,
            sending_domains=tenant.sending_domains,
            retention_days=tenant.retention_days,
            created_at=tenant.created_at,
            updated_at=tenant.updated_at,
        )
