"""Every failure as the error envelope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from shared.database.errors import HANDLED, translate
from shared.errors import (
    AppError,
    DatabaseError,
    MethodNotAllowedError,
    UnprocessableError,
    ValidationError,
    error_class_for_status,
)
from shared.models.responses import error_response
from shared.utils.logging import logger
from shared.web.methods import methods_of_path
from shared.web.places import place_in

# What FastAPI says of a body that is, say, no UTF-8.
_UNREADABLE_BODY = "There was an error parsing the body"
_NO_KIND = {"union_tag_not_found", "union_tag_invalid"}
_NO_OBJECT = {"model_attributes_type", "dict_type"}


def render_error(error: AppError, request_id: str | None) -> Response:
    """The envelope with the error's status and headers."""
    body = error_response(
        error.message,
        code=error.code,
        field=error.field,
        details=error.details,
        correlation_id=request_id,
    )
    return Response(
        body.model_dump_json(exclude={"data", "message", "meta"}),
        status_code=error.status,
        media_type="application/json",
        headers=error.headers,
    )


def from_validation(problems: Sequence[Any], body: Any = None) -> AppError:
    """422 with every wrong field of `body`; 400 when it is not JSON at all. Inputs are not repeated."""
    if any(problem["type"] == "json_invalid" for problem in problems):
        return ValidationError("The body is not valid JSON", field="body")
    fields = [{"field": _place(problem, body), "message": _message(problem)} for problem in problems]
    first = fields[0] if fields else {"field": "body", "message": "not valid"}
    return UnprocessableError(
        f"{first['field']}: {first['message']}", field=first["field"], details={"errors": fields[:50]}
    )


def _message(problem: Any) -> str:
    if problem["type"] in _NO_OBJECT and tuple(problem["loc"]) == ("body",):
        return "A JSON object is needed here, sent as Content-Type: application/json"
    if problem["type"] == "union_tag_not_found":
        return "Field required: it says which kind this is" if _kind_of(problem) else "Not of a known kind"
    if problem["type"] == "union_tag_invalid":
        return f"Input should be one of {problem['ctx']['expected_tags']}"
    message: str = problem["msg"]
    return message.removeprefix("Value error, ")


def _kind_of(problem: Any) -> list[str]:
    """The field that says the kind, where one field does and it is wrong."""
    name = problem["ctx"]["discriminator"].strip("'") if problem["type"] in _NO_KIND else ""
    return [name] if name.isidentifier() else []


def _place(problem: Any, body: Any) -> str:
    location = problem["loc"]
    parts = [str(part) for part in location]
    if parts[:1] == ["body"]:
        parts = ["body", *place_in(location[1:], body)]
    parts += _kind_of(problem)
    return ".".join(
        parts[1:] if len(parts) > 1 and parts[0] in ("body", "query", "path", "header") else parts
    )


def install_error_handlers(app: FastAPI) -> None:
    async def app_error(request: Request, error: Any) -> Response:
        return render_error(error, _request_id(request))

    async def validation_error(request: Request, error: Any) -> Response:
        return render_error(from_validation(error.errors(), error.body), _request_id(request))

    async def http_error(request: Request, error: Any) -> Response:
        if error.status_code == 405:
            return _other_methods(request)
        if error.status_code == 400 and error.detail == _UNREADABLE_BODY:
            problem = ValidationError("The body cannot be read as its Content-Type says", field="body")
            return render_error(problem, _request_id(request))
        kind = error_class_for_status(error.status_code)
        translated = kind(str(error.detail), headers=dict(error.headers or {}))
        response = render_error(translated, _request_id(request))
        response.status_code = error.status_code
        return response

    async def database_error(request: Request, error: Any) -> Response:
        translated = translate(error)
        if translated is None:
            logger.exception("database error", error=error)
        else:
            logger.warning("database refused a statement", error=error)
        return render_error(translated or DatabaseError(), _request_id(request))

    app.add_exception_handler(AppError, app_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(HTTPException, http_error)
    for kind in HANDLED:
        app.add_exception_handler(kind, database_error)


def _other_methods(request: Request) -> Response:
    """405 with all methods of the path, not only those of its first route; OPTIONS just asks for them."""
    methods = methods_of_path(request.scope)
    allow = {"Allow": ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=allow)
    return render_error(MethodNotAllowedError(headers=allow), _request_id(request))


def _request_id(request: Request) -> str | None:
    return getattr(request.state, "request_id", None)
