"""Which methods a path answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute


def routes_of(routers: Sequence[APIRouter]) -> list[APIRoute]:
    """The routes of an app, which itself keeps them folded away in its routers."""
    return [route for router in routers for route in router.routes if isinstance(route, APIRoute)]


def methods_of_path(scope: Mapping[str, Any]) -> set[str]:
    """Methods of all routes that fit the path of a request; needs `app.state.routes`."""
    routes: list[APIRoute] = scope["app"].state.routes
    fitting = (route for route in routes if route.path_regex.match(scope["path"]))
    return {method for route in fitting for method in route.methods or ()}
