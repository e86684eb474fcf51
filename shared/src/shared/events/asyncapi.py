"""The AsyncAPI 3 document of all events, made from the catalog."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from shared.events.catalog import CATALOG

_HEADERS: dict[str, Any] = {
    "type": "object",
    "required": ["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time"],
    "properties": {
        "ce-specversion": {"const": "1.0"},
        "ce-id": {"type": "string", "format": "uuid", "description": "UUIDv7; repeats carry the same id"},
        "ce-source": {"type": "string", "examples": ["/campaign-service"]},
        "ce-type": {"type": "string"},
        "ce-time": {"type": "string", "format": "date-time"},
        "ce-subject": {"type": "string"},
        "ce-tenantid": {"type": "string", "format": "uuid"},
        "ce-traceparent": {"type": "string", "description": "W3C trace context"},
        "ce-correlationid": {"type": "string"},
    },
}


def asyncapi_document(version: str = "1.0.0") -> dict[str, Any]:
    """One channel per event type, on the topic exchange `tidings.events`."""
    models = sorted(set(CATALOG.values()), key=lambda model: model.__name__)
    _, definitions = models_json_schema(
        [(model, "serialization") for model in models], ref_template="#/components/schemas/{model}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tidings events",
            "version": version,
            "description": "CloudEvents 1.0 in binary mode. Delivered at least once; order is not promised.",
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(name) for name in CATALOG},
        "operations": {
            f"receive.{name}": {"action": "receive", "channel": {"$ref": f"#/channels/{name}"}}
            for name in CATALOG
        },
        "components": {
            "messages": {name: _message(name, model.__name__) for name, model in CATALOG.items()},
            "schemas": definitions.get("$defs", {}),
        },
    }


def _channel(name: str) -> dict[str, Any]:
    return {
        "address": name,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": "tidings.events", "type": "topic", "durable": True},
                "bindingVersion": "0.3.0",
            }
        },
    }


def _message(name: str, model: str) -> dict[str, Any]:
    return {
        "name": name,
        "contentType": "application/json",
        "headers": _HEADERS,
        "payload": {"$ref": f"#/components/schemas/{model}"},
    }
