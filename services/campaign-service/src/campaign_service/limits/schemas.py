"""Shapes of rates and address pools."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from campaign_service.channels.schemas import Domain, HeaderWord
from campaign_service.warmup.plans import MailboxProvider

PerMinute = Annotated[float, Field(gt=0, le=10_000_000)]
Burst = Annotated[int, Field(ge=1, le=1_000_000)]


class Rate(BaseModel):
    """Mails a minute on the long run, and how many may go at once after a rest."""

    model_config = ConfigDict(extra="forbid")

    per_minute: PerMinute
    burst: Burst = 100


class LimitsIn(BaseModel):
    """All rates of the tenant but those of its pools. What is left out is not limited."""

    model_config = ConfigDict(extra="forbid")

    tenant: Rate | None = None
    domains: Annotated[dict[Domain, Rate], Field(max_length=200)] = Field(default_factory=dict)
    mailbox_providers: dict[MailboxProvider, Rate] = Field(default_factory=dict)


class RateOut(Rate):
    """`available`: mails that may go now."""

    available: int


class LimitsOut(BaseModel):
    tenant: RateOut | None
    domains: dict[str, RateOut]
    mailbox_providers: dict[str, RateOut]


class PoolIn(BaseModel):
    """A pool of sending addresses, by the name that providers have as `ip_pool` or `virtual_mta`."""

    model_config = ConfigDict(extra="forbid")

    name: HeaderWord
    addresses: Annotated[list[IPv4Address | IPv6Address], Field(max_length=256)] = Field(default_factory=list)
    per_minute: PerMinute | None = None
    burst: Burst = 100


class PoolsIn(BaseModel):
    """All pools of the tenant."""

    model_config = ConfigDict(extra="forbid")

    pools: Annotated[list[PoolIn], Field(max_length=100)]

    @field_validator("pools")
    @classmethod
    def _differ(cls, pools: list[PoolIn]) -> list[PoolIn]:
        if len({pool.name for pool in pools}) < len(pools):
            raise ValueError("two pools have the same name")
        return pools


class PoolOut(BaseModel):
    name: str
    addresses: list[str]
    per_minute: float | None
    burst: int
    available: int | None


class PoolsOut(BaseModel):
    pools: list[PoolOut]


def row_of(scope: str, name: str, rate: Rate | PoolIn, addresses: list[Any] | None = None) -> dict[str, Any]:
    """A row as it is stored."""
    return {
        "scope": scope,
        "name": name,
        "addresses": [str(address) for address in addresses or ()],
        "per_minute": rate.per_minute,
        "burst": rate.burst,
    }
