"""The HTTP side of webhooks: paths, tokens and the answers each sender expects.

Plain functions on an exchange rather than FastAPI routes: this is the busiest path of the gateway.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from shared.errors import MethodNotAllowedError, NotFoundError, UnauthorizedError
from webhook_gateway.edge.addresses import rate_limit_bucket
from webhook_gateway.edge.body import RequestBody
from webhook_gateway.edge.exchange import Exchange
from webhook_gateway.edge.headers import Headers, values
from webhook_gateway.ingest.guard import FailureGuard
from webhook_gateway.ingest.reading import Raw
from webhook_gateway.ingest.service import Ingestion, InvalidWebhookTokenError, Receipt, Submission

KINDS = frozenset({"mailwizz", "powermta", "generic", "test"})
MAKE_PATH = "/integrations/make/webhook"
_API_PREFIX = "/api/v2/webhooks/"
_HOOKS_PREFIX = "/hooks/"
_TWIML = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'


@dataclass(frozen=True, slots=True)
class Address:
    """What a path says: the source types it takes (None: any) and the token in it, if any."""

    types: frozenset[str] | None
    token: str | None
    header: bytes = b"x-webhook-token"


def parse_address(path: str) -> Address:
    """Raises `NotFoundError` for a path below the webhook prefixes that is none of ours."""
    if path == MAKE_PATH:
        return Address(frozenset({"make"}), None, b"x-make-token")
    if path.startswith(_HOOKS_PREFIX):
        token = path[len(_HOOKS_PREFIX) :]
        if token and "/" not in token:
            return Address(None, token)
    elif path.startswith(_API_PREFIX):
        kind, _, token = path[len(_API_PREFIX) :].partition("/")
        if kind in KINDS and "/" not in token:
            return Address(frozenset({kind}), token or None)
    raise NotFoundError


class WebhookEndpoint:
    """Answers POST on the webhook paths; the tenant comes from the token alone, never from the body."""

    def __init__(
        self, ingestion: Ingestion, guard: FailureGuard, *, max_bytes: int, patience: float, public_url: str
    ) -> None:
        self._ingestion = ingestion
        self._guard = guard
        self._max_bytes = max_bytes
        self._patience = patience
        self._public_url = public_url.rstrip("/")

    async def handle(self, exchange: Exchange) -> None:
        """Take one webhook in and answer it. Raises `AppError`s for the door to answer."""
        bucket = rate_limit_bucket(exchange.client)
        address = parse_address(exchange.path)
        if exchange.method != "POST":
            raise MethodNotAllowedError(headers={"Allow": "POST"})
        try:
            token = _token(address, exchange.headers)
            # A sender known to be good must not suffer from a bad one at the same address.
            if not self._ingestion.remembers(token):
                self._guard.check(bucket)
            await self._ingestion.check_token(token, address.types)
            body = RequestBody(exchange.receive, exchange.index, self._max_bytes, patience=self._patience)
            receipt = await self._ingestion.accept(
                self._submission(exchange, address, token, await body.read())
            )
        except UnauthorizedError:
            self._guard.note(bucket)
            raise
        exchange.tenant_id = str(receipt.source.source.tenant_id)
        await _answer(exchange, receipt)

    def _submission(self, exchange: Exchange, address: Address, token: str, body: bytes) -> Submission:
        headers = _text_headers(exchange.headers)
        query: bytes = exchange.scope["query_string"]
        target: bytes = exchange.scope["raw_path"] + (b"?" + query if query else b"")
        return Submission(
            token=token,
            types=address.types,
            raw=Raw(body, headers.get("content-type", ""), headers),
            url=self._public_url + target.decode("latin-1"),
            request_id=exchange.request_id,
            traceparent=exchange.traceparent,
        )


def _token(address: Address, headers: Headers) -> str:
    if address.token is not None:
        return address.token
    given = values(headers, address.header)
    if len(given) != 1 or not given[0].strip().isascii() or not given[0].strip():
        raise InvalidWebhookTokenError
    return given[0].strip().decode("ascii")


def _text_headers(headers: Headers) -> dict[str, str]:
    """The first value of each header: a second one must not replace what was checked."""
    text: dict[str, str] = {}
    for name, value in headers:
        text.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return text


async def _answer(exchange: Exchange, receipt: Receipt) -> None:
    kind = receipt.source.source.type
    if kind == "twilio":
        await exchange.answer(200, _TWIML, [(b"content-type", b"text/xml")])
        return
    data: dict[str, object] = {
        "event_id": str(receipt.event_id),
        "duplicate": receipt.outcome != "accepted",
        "records": receipt.reading.records,
    }
    if receipt.outcome == "conflict":
        data["conflict"] = True
    if kind == "test":
        data |= _echo(receipt)
    status = 202 if kind == "generic" and receipt.outcome == "accepted" else 200
    await exchange.succeed(data, status=status, message=_message(kind, receipt))


def _message(kind: str, receipt: Receipt) -> str | None:
    if kind != "make":
        return None
    if receipt.outcome == "accepted":
        return f"Webhook {receipt.reading.label} accepted"
    return f"Webhook {receipt.reading.label} already processed"


def _echo(receipt: Receipt) -> dict[str, object]:
    """What we understood of a test webhook; its token was right, or there would be no answer like this."""
    text = receipt.reading.text
    try:
        parsed: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        parsed = None
    return {
        "verified": True,
        "parsed": parsed,
        "text": text[:2000] if parsed is None else None,
        "bytes": len(text.encode()),
    }
