"""Keyset pages with cursors that cannot be forged or carried to another list."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

import orjson
from fastapi import Depends, Query, Request

from shared.errors import ValidationError
from shared.models.responses import ApiResponse, page_response
from shared.utils.crypto import derive_key
from shared.web.runtime import Runtime

R = TypeVar("R")
O = TypeVar("O")  # noqa: E741  # the output item
DEFAULT_LIMIT = 50
MAX_LIMIT = 200
_TAG_BYTES = 12
_TYPES: dict[str, Callable[[str], Any]] = {"d": datetime.fromisoformat, "u": UUID}


def encode_cursor(key: bytes, scope: str, values: Sequence[Any]) -> str:
    """The place after a row: its sort values, bound to one list by `scope` and to us by a tag."""
    payload = orjson.dumps([_pack(value) for value in values])
    return base64.urlsafe_b64encode(_tag(key, scope, payload) + payload).rstrip(b"=").decode()


def decode_cursor(key: bytes, scope: str, cursor: str) -> list[Any]:
    """The sort values; `ValidationError` for a cursor that was not made for this list."""
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except ValueError:
        raw = b""
    tag, payload = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(key, scope, payload)):
        raise ValidationError("cursor does not belong to this list", field="cursor")
    return [_unpack(value) for value in orjson.loads(payload)]


def _tag(key: bytes, scope: str, payload: bytes) -> bytes:
    return hmac.digest(key, scope.encode() + b"\x00" + payload, hashlib.sha256)[:_TAG_BYTES]


def _pack(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"d": value.isoformat()}
    return {"u": str(value)} if isinstance(value, UUID) else value


def _unpack(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, text),) = value.items()
    return _TYPES[kind](text)


class PageParams:
    """`limit` and the sort values of the row to go on after (None at the start).

    A repository fetches `limit + 1` rows; `respond` makes the answer of them.
    """

    def __init__(self, limit: int, after: list[Any] | None, encode: Callable[[Sequence[Any]], str]) -> None:
        self.limit = limit
        self.after = after
        self._encode = encode

    @property
    def fetch_limit(self) -> int:
        return self.limit + 1

    def value(self, index: int) -> Any:
        """One sort value of the place to go on after, None at the start."""
        return None if self.after is None else self.after[index]

    def respond(
        self, rows: Sequence[R], key: Callable[[R], Sequence[Any]], convert: Callable[[R], O]
    ) -> ApiResponse[list[O]]:
        """The page. `key` gives the sort values of a row in the order of the query."""
        page = rows[: self.limit]
        more = len(rows) > self.limit
        return page_response(
            [convert(row) for row in page],
            next_cursor=self._encode(key(page[-1])) if more else None,
            limit=self.limit,
        )


async def page_params(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows a page")] = DEFAULT_LIMIT,
    cursor: Annotated[
        str | None, Query(max_length=2000, description="`next_cursor` of the page before")
    ] = None,
) -> PageParams:
    runtime: Runtime = request.app.state.runtime
    key = derive_key(runtime.config.jwt_secret.get_secret_value(), "cursor")
    filters = sorted((k, v) for k, v in request.query_params.multi_items() if k not in ("limit", "cursor"))
    tenant = getattr(request.state, "tenant_id", None)
    scope = f"{tenant}|{request.url.path}|{filters}"
    after = decode_cursor(key, scope, cursor) if cursor else None
    return PageParams(limit, after, lambda values: encode_cursor(key, scope, values))


Page = Annotated[PageParams, Depends(page_params)]
