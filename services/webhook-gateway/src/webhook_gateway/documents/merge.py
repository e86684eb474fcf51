"""Puts the OpenAPI documents of the services together into the one of the public door."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.web.health import VERSION

Document = dict[str, Any]
_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_REFERENCE = "#/components/"

SECURITY_SCHEMES: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Access token of POST /auth/login",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "Made at POST /api-keys",
    },
}
_SECURED: list[dict[str, list[str]]] = [{"bearer": []}, {"apiKey": []}]


def merge(
    documents: Mapping[str, Document],
    *,
    is_reachable: Callable[[str, str], bool],
    is_public: Callable[[str, str], bool],
    door_answers: Callable[[str, str], Mapping[str, str]],
    public_url: str,
    extra_paths: Mapping[str, Any],
    extra_schemes: Mapping[str, Any],
) -> Document:
    """One document of all services' public operations.

    `is_reachable(service, path)` keeps what the door routes; `is_public(method, path)` needs no credential;
    `door_answers(method, path)` are the statuses the door itself may answer, with what they mean.
    Components of one name but different content get the service's name in front; equal ones are one. So do
    operations of one id.
    """
    merged: Document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Tidings",
            "version": VERSION,
            "description": "All services behind the gateway. Send an access token or an API key.",
        },
        "servers": [{"url": public_url}],
        "tags": [],
        "paths": {},
        "components": {"schemas": {}, "securitySchemes": {**SECURITY_SCHEMES, **extra_schemes}},
    }
    operation_ids: set[str] = set()
    for service, document in documents.items():
        renamed = _rename_clashes(service, document, merged["components"])
        for path, item in renamed.get("paths", {}).items():
            if is_reachable(service, path) and path not in merged["paths"]:
                shown = _as_the_door_has_it(path, item, is_public, door_answers)
                merged["paths"][path] = _with_own_ids(service, shown, operation_ids)
    merged["paths"].update(extra_paths)
    merged["tags"] = _tags(merged["paths"])
    return _without_unused(merged)


def _rename_clashes(service: str, document: Document, taken: dict[str, dict[str, Any]]) -> Document:
    names: dict[str, str] = {}
    for kind, components in document.get("components", {}).items():
        if kind == "securitySchemes":
            continue
        known = taken.setdefault(kind, {})
        for name, content in components.items():
            if name in known and known[name] != content:
                names[f"{_REFERENCE}{kind}/{name}"] = f"{_REFERENCE}{kind}/{_prefix(service)}{name}"
    renamed: Document = _rewrite(document, names) if names else document
    for kind, components in renamed.get("components", {}).items():
        if kind == "securitySchemes":
            continue
        for name, content in components.items():
            new = names.get(f"{_REFERENCE}{kind}/{name}", f"{_REFERENCE}{kind}/{name}").rpartition("/")[2]
            taken[kind].setdefault(new, content)
    return renamed


def _prefix(service: str) -> str:
    return "".join(part.capitalize() for part in service.removesuffix("-service").split("-")) + "_"


def _rewrite(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: names.get(item, item) if key == "$ref" and isinstance(item, str) else _rewrite(item, names)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_rewrite(item, names) for item in value]
    if isinstance(value, str):
        return names.get(value, value)  # the mapping of a discriminator
    return value


def _as_the_door_has_it(
    path: str,
    item: Document,
    is_public: Callable[[str, str], bool],
    door_answers: Callable[[str, str], Mapping[str, str]],
) -> Document:
    shown = dict(item)
    for method in _METHODS & item.keys():
        answers = {
            status: {"description": text} for status, text in door_answers(method.upper(), path).items()
        }
        shown[method] = {
            **item[method],
            "security": [] if is_public(method.upper(), path) else _SECURED,
            "responses": answers | item[method].get("responses", {}),
        }
    return shown


def _with_own_ids(service: str, item: Document, taken: set[str]) -> Document:
    """The item, with ids that no operation before has; notes them in `taken`."""
    for method in sorted(_METHODS & item.keys()):
        name = item[method].get("operationId")
        if name in taken:
            name = item[method]["operationId"] = f"{_prefix(service).rstrip('_').lower()}.{name}"
        taken.add(name)
    return item


def _tags(paths: Mapping[str, Document]) -> list[dict[str, str]]:
    names = {
        tag
        for item in paths.values()
        for method in _METHODS & item.keys()
        for tag in item[method].get("tags", [])
    }
    return [{"name": name} for name in sorted(names)]


def _without_unused(document: Document) -> Document:
    """Drop components nothing refers to: those of internal routes."""
    components = document["components"]
    needed: set[str] = set()
    pending = [document["paths"]]
    while pending:
        for reference in _references(pending.pop()):
            if reference not in needed:
                needed.add(reference)
                kind, _, name = reference.removeprefix(_REFERENCE).partition("/")
                pending.append(components.get(kind, {}).get(name, {}))
    for kind, entries in components.items():
        if kind != "securitySchemes":
            components[kind] = {n: c for n, c in entries.items() if f"{_REFERENCE}{kind}/{n}" in needed}
    return document


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        found = [reference for item in value.values() for reference in _references(item)]
        reference = value.get("$ref")
        return [*found, reference] if isinstance(reference, str) else found
    if isinstance(value, list):
        return [reference for item in value for reference in _references(item)]
    return []
