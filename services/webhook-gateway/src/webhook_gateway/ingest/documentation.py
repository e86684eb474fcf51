"""What the merged API document says about the webhook paths, which are no FastAPI routes."""

from __future__ import annotations

from typing import Any

from webhook_gateway.ingest.endpoint import KINDS, MAKE_PATH

_TOKEN: list[dict[str, list[str]]] = [{"webhookToken": []}]
_BODIES: dict[str, dict[str, Any]] = {
    "mailwizz": {"application/json": {"schema": {"type": "object"}}},
    "powermta": {
        "text/csv": {"schema": {"type": "string"}},
        "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
    },
    "generic": {"application/json": {"schema": {}}},
    "test": {"application/json": {"schema": {}}},
}
_SUMMARIES = {
    "mailwizz": "MailWizz campaign webhook: opens and clicks",
    "powermta": "PowerMTA accounting: CSV batches or JSON arrays, all record types",
    "generic": "Any system that can send its token",
    "test": "Try a webhook: the answer shows what was understood",
}
_RECEIPT = {
    "type": "object",
    "properties": {
        "success": {"type": "boolean"},
        "data": {
            "type": "object",
            "properties": {
                "event_id": {"type": "string", "format": "uuid"},
                "duplicate": {"type": "boolean"},
                "records": {"type": "integer"},
            },
        },
    },
}


def _answers(success: str) -> dict[str, Any]:
    answers: dict[str, Any] = {
        "200": {
            "description": "Stored and published, or a repeat of an earlier one",
            "content": {"application/json": {"schema": _RECEIPT}},
        },
        "400": {"description": "MALFORMED_WEBHOOK: the message names the place"},
        "401": {"description": "INVALID_WEBHOOK_TOKEN or INVALID_WEBHOOK_SIGNATURE"},
        "413": {"description": "PAYLOAD_TOO_LARGE"},
        "429": {"description": "Too many refused requests from this address"},
        "503": {"description": "Cannot be stored now; send it again after Retry-After seconds"},
    }
    if success == "202":
        answers["202"] = {**answers["200"], "description": "Stored and published"}
    return answers


def _operation(name: str, summary: str, content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "post": {
            "tags": ["webhooks"],
            "operationId": f"webhooks.{name}",
            "summary": summary,
            "requestBody": {"required": True, "content": content},
            "responses": _answers("202" if name.startswith(("generic", "hook")) else "200"),
            **more,
        }
    }


def _token_parameter() -> list[dict[str, Any]]:
    return [{"name": "token", "in": "path", "required": True, "schema": {"type": "string"}}]


def webhook_paths() -> dict[str, Any]:
    """OpenAPI path items of the ingestion endpoints."""
    paths: dict[str, Any] = {}
    for kind in sorted(KINDS):
        content, summary = _BODIES[kind], _SUMMARIES[kind]
        paths[f"/api/v2/webhooks/{kind}"] = _operation(kind, summary, content, security=_TOKEN)
        paths[f"/api/v2/webhooks/{kind}/{{token}}"] = _operation(
            f"{kind}_by_path",
            f"{summary}; token in the path",
            content,
            parameters=_token_parameter(),
            security=[],
        )
    paths[MAKE_PATH] = _operation(
        "make",
        "Make.com webhook",
        {"application/json": {"schema": {"type": "object"}}},
        security=[{"makeToken": []}],
    )
    paths["/hooks/{token}"] = _operation(
        "hook",
        "Webhook of any source, verified by the scheme of its type",
        {"*/*": {"schema": {}}},
        parameters=_token_parameter(),
        security=[],
    )
    return paths


WEBHOOK_SECURITY_SCHEMES: dict[str, Any] = {
    "webhookToken": {"type": "apiKey", "in": "header", "name": "X-Webhook-Token"},
    "makeToken": {"type": "apiKey", "in": "header", "name": "x-make-token"},
}
