"""From a request with a token to a stored and published webhook."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from uuid import UUID

from shared.errors import ServiceUnavailableError, UnauthorizedError
from shared.utils.clock import format_date
from shared.utils.ids import uuid7
from shared.utils.logging import logger
from shared.web.runtime import Runtime
from webhook_gateway.identity.lru import ExpiringLru
from webhook_gateway.ingest import repository
from webhook_gateway.ingest.reading import MalformedWebhookError, Raw, Reading, dedupe_key, read
from webhook_gateway.ingest.repository import Delivery, Outcome
from webhook_gateway.ingest.signatures import VERIFIERS, SignatureError, SignedRequest, verify_hmac
from webhook_gateway.sources.schemas import SIGNED_TYPES
from webhook_gateway.sources.service import KnownSource, SourceDirectory

_PUBLISHED_AS_GENERIC = frozenset({"stripe", "github", "standard"})
_THREAD_ABOVE_BYTES = 256 * 1024
_SIGNATURE_SAMPLE_SECONDS = 10.0
_ATTEMPTS = 3
_MAX_HEADER_TEXT = 8 * 1024
_SECRET_WORDS = (
    "authorization",
    "cookie",
    "token",
    "secret",
    "password",
    "api-key",
    "admin-key",
    "service-key",
)


class InvalidWebhookTokenError(UnauthorizedError):
    code = "INVALID_WEBHOOK_TOKEN"

    def __init__(self) -> None:
        super().__init__("Invalid webhook token", headers={})


class InvalidSignatureError(UnauthorizedError):
    code = "INVALID_WEBHOOK_SIGNATURE"

    def __init__(self) -> None:
        super().__init__("The webhook signature is not valid", headers={})


@dataclass(frozen=True, slots=True)
class Submission:
    """A webhook as it arrived. `types` are the source types the path allows, None for any."""

    token: str
    types: frozenset[str] | None
    raw: Raw
    url: str
    request_id: str
    traceparent: str


@dataclass(frozen=True, slots=True)
class Receipt:
    outcome: Outcome
    event_id: UUID
    source: KnownSource
    reading: Reading


class Ingestion:
    """Takes webhooks in, at most `max_in_flight` at once; above that it refuses with 503 and Retry-After."""

    def __init__(self, runtime: Runtime, directory: SourceDirectory, *, max_in_flight: int) -> None:
        self._runtime = runtime
        self._directory = directory
        self._max_in_flight = max_in_flight
        self._in_flight = 0
        self._sampled: ExpiringLru[bool] = ExpiringLru(10_000, runtime.clock.monotonic)

    def remembers(self, token: str) -> bool:
        """Whether the token opened a source lately, so that trying it costs no look-up."""
        return self._directory.remembers(token)

    async def check_token(self, token: str, types: frozenset[str] | None) -> None:
        """`InvalidWebhookTokenError` unless the token opens a source of these types. Needs no body."""
        await self._source(token, types)

    async def accept(self, submission: Submission) -> Receipt:
        """Verify, check and store. Returns after the commit.

        Raises `InvalidWebhookTokenError`, `InvalidSignatureError`, `MalformedWebhookError` (the latter two
        keep a sample in the history) and `ServiceUnavailableError`.
        """
        if self._in_flight >= self._max_in_flight:
            raise ServiceUnavailableError("Too many webhooks at once", retry_after=2)
        self._in_flight += 1
        try:
            for _ in range(_ATTEMPTS):
                receipt = await self._attempt(submission)
                if receipt is not None:
                    return receipt
                self._directory.forget(submission.token)
            raise ServiceUnavailableError("The webhook source is being changed", retry_after=1)
        finally:
            self._in_flight -= 1

    async def _source(self, token: str, types: frozenset[str] | None) -> KnownSource:
        known = await self._directory.find(token)
        if known is None or (types is not None and known.source.type not in types):
            raise InvalidWebhookTokenError
        return known

    async def _attempt(self, submission: Submission) -> Receipt | None:
        """None when what was remembered of the source may be out of date: read it again and try again."""
        was_remembered = self._directory.remembers(submission.token)
        known = await self._source(submission.token, submission.types)
        digest = hashlib.sha256(submission.raw.body).digest()
        try:
            self._verify(submission, known)
            reading = await _read(known, submission.raw)
        except (SignatureError, MalformedWebhookError) as error:
            if was_remembered:
                return None
            raise await self._refusal(self._delivery(submission, known, digest, digest), error) from None
        key = dedupe_key(known.source.type, reading, digest)
        delivery = self._delivery(submission, known, digest, key)
        return await self._store(submission, known, reading, delivery)

    async def _refusal(
        self, delivery: Delivery, error: SignatureError | MalformedWebhookError
    ) -> InvalidSignatureError | MalformedWebhookError:
        """The error to answer with, after keeping a sample."""
        if isinstance(error, MalformedWebhookError):
            await repository.keep_rejected(self._runtime.db, delivery, error.code, error.message)
            return error
        # One bad signature per source in ten seconds: whoever knows an address could fill the table.
        place = str(delivery.source_id)
        if self._sampled.get(place) is None:
            self._sampled.put(place, True, _SIGNATURE_SAMPLE_SECONDS)
            await repository.keep_rejected(self._runtime.db, delivery, InvalidSignatureError.code, str(error))
        return InvalidSignatureError()

    def _verify(self, submission: Submission, known: KnownSource) -> None:
        kind = known.source.type
        if kind not in SIGNED_TYPES and not known.signing_secret:
            return
        now = self._runtime.clock.now().timestamp()
        request = SignedRequest(submission.raw.headers, submission.raw.body, submission.url, now)
        if kind in SIGNED_TYPES:
            VERIFIERS[kind](request, known.signing_secret)
        else:
            verify_hmac(request, known.signing_secret, known.scheme)

    async def _store(
        self, submission: Submission, known: KnownSource, reading: Reading, delivery: Delivery
    ) -> Receipt | None:
        outcome, event_id = await repository.accept(
            self._runtime.db,
            delivery,
            event_type=event_type(delivery.source_type),
            data=event_data(delivery, reading.text),
            traceparent=submission.traceparent,
            correlation_id=submission.request_id,
        )
        if event_id is None:
            return None
        if outcome == "conflict":
            logger.warning(
                "webhook repeated with another body",
                source_id=str(delivery.source_id),
                event_id=str(event_id),
            )
        return Receipt(outcome, event_id, known, reading)

    def _delivery(self, submission: Submission, known: KnownSource, digest: bytes, key: bytes) -> Delivery:
        source = known.source
        return Delivery(
            tenant_id=source.tenant_id,
            source_id=source.id,
            source_version=source.version,
            source_type=source.type,
            id=uuid7(),
            key=key,
            digest=digest,
            content_type=submission.raw.content_type[:200],
            headers=kept_headers(submission.raw),
            body=submission.raw.body,
            received_at=self._runtime.clock.now(),
        )


async def _read(known: KnownSource, raw: Raw) -> Reading:
    pointer = known.source.settings.get("event_id_pointer")
    if len(raw.body) > _THREAD_ABOVE_BYTES:
        return await asyncio.to_thread(read, known.source.type, raw, pointer)
    return read(known.source.type, raw, pointer)


def event_type(source_type: str) -> str:
    """Senders without an event type of their own are published as generic; `source_type` tells them."""
    name = "generic" if source_type in _PUBLISHED_AS_GENERIC else source_type
    return f"webhook.{name}.received.v1"


def event_data(delivery: Delivery, text: str, replay_of: UUID | None = None) -> dict[str, object]:
    """The data of webhook.<source>.received.v1."""
    return {
        "inbound_id": str(delivery.id),
        "source_id": str(delivery.source_id),
        "source_type": delivery.source_type,
        "content_type": delivery.content_type or "application/octet-stream",
        "body": text,
        "received_at": format_date(delivery.received_at),
        "replay_of": str(replay_of) if replay_of else None,
    }


def kept_headers(raw: Raw) -> dict[str, str]:
    """Headers for the history: credentials blanked, 8 KiB at most."""
    kept: dict[str, str] = {}
    size = 0
    for name, value in raw.headers.items():
        shown = "[redacted]" if any(word in name for word in _SECRET_WORDS) else value
        size += len(name) + len(shown)
        if size > _MAX_HEADER_TEXT:
            break
        kept[name] = shown.replace("\x00", "")
    return kept
