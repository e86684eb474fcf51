"""Wiring of property-service."""

from __future__ import annotations

from fastapi import FastAPI

from property_service.settings import Settings
from shared.web import create_service_app

NAME = "property-service"


def create_app(settings: Settings) -> FastAPI:
    """The app, not yet started."""
    return create_service_app(name=NAME, config=settings, routers=[])
