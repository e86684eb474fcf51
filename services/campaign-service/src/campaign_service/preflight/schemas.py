"""Shapes of a preflight."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel

Status = Literal["ok", "warning", "error", "unknown"]


class Check(BaseModel):
    """`unknown`: it could not be looked at, so the DNS when there is none. `content`: of which content."""

    name: str
    status: Status
    message: str
    advice: str | None = None
    content: str | None = None


class PreflightOut(BaseModel):
    """`status` is the worst of the checks; with an error the campaign is only sent by force."""

    campaign_id: UUID
    status: Literal["ok", "warning", "error"]
    checks: list[Check]


def ok(name: str, message: str, content: str | None = None) -> Check:
    return Check(name=name, status="ok", message=message, content=content)


def warning(name: str, message: str, advice: str, content: str | None = None) -> Check:
    return Check(name=name, status="warning", message=message, advice=advice, content=content)


def error(name: str, message: str, advice: str, content: str | None = None) -> Check:
    return Check(name=name, status="error", message=message, advice=advice, content=content)


def unknown(name: str, message: str) -> Check:
    return Check(name=name, status="unknown", message=message)
