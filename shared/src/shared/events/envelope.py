"""The envelope every event travels in: CloudEvents 1.0 with Tidings' extension attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import structlog
from pydantic import BaseModel, ValidationError

from shared.errors import PermanentError
from shared.events import catalog
from shared.utils.ids import uuid7

SPEC_VERSION = "1.0"


class EventRefusedError(PermanentError, ValueError):
    """An event that may not travel: unknown type, data of another shape, or two tenants in one event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact. `source` is the path of the service (`/campaign-service`), filled in when it is published.

    `tenant_id` is None only for facts about the whole installation.
    """

    id: UUID
    type: str
    source: str
    tenant_id: UUID | None
    data: dict[str, Any]
    time: datetime
    subject: str | None = None
    traceparent: str | None = None
    correlation_id: str | None = None
    _encoded: bytes | None = field(default=None, repr=False, compare=False)

    def encoded_data(self) -> bytes:
        """`data` as JSON bytes; events that came out of storage keep the bytes they had."""
        return self._encoded if self._encoded is not None else orjson.dumps(self.data)


def new_event(
    type: str,  # noqa: A002  # the CloudEvents name
    data: BaseModel | Mapping[str, Any],
    *,
    tenant_id: UUID | None,
    subject: str | None = None,
    source: str = "",
) -> Event:
    """A new event with data checked against the catalog's model for `type`.

    The correlation id and traceparent are taken from the running request or message.
    Raises `EventRefusedError` for an unknown type, wrong or unknown fields, or a `tenant_id` in data that is
    not the envelope's.
    """
    context = structlog.contextvars.get_contextvars()
    event = Event(
        id=uuid7(),
        type=type,
        source=source,
        tenant_id=tenant_id,
        subject=subject,
        time=datetime.now(UTC),
        data=_checked(type, data),
        traceparent=context.get("traceparent"),
        correlation_id=context.get("correlation_id") or context.get("request_id"),
    )
    check_tenant(event)
    return event


def _checked(event_type: str, data: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
    model = catalog.CATALOG.get(event_type)
    if model is None:
        raise EventRefusedError(f"{event_type} is not in the event catalog")
    if not isinstance(data, BaseModel):
        unknown = sorted(data.keys() - model.model_fields.keys())
        if unknown:
            raise EventRefusedError(f"{event_type} has no field {', '.join(unknown)}")
    elif not isinstance(data, model):
        raise EventRefusedError(f"{event_type} carries {model.__name__}, not {type(data).__name__}")
    try:
        checked = data if isinstance(data, BaseModel) else model.model_validate(dict(data))
    except ValidationError as error:
        raise EventRefusedError(f"{event_type}: {_problems(error)}") from None
    return checked.model_dump(mode="json", exclude_none=False)


def _problems(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors(include_input=False))


def check_tenant(event: Event) -> None:
    """Raise `EventRefusedError` when data names another tenant than the envelope."""
    inner = event.data.get("tenant_id")
    if inner is not None and str(inner) != str(event.tenant_id):
        raise EventRefusedError(f"{event.type}: data belongs to another tenant than the envelope")


def to_headers(event: Event) -> dict[str, str]:
    """CloudEvents attributes in the binary mode of the RabbitMQ binding (`ce-` headers, text values)."""
    headers = {
        "ce-specversion": SPEC_VERSION,
        "ce-id": str(event.id),
        "ce-source": event.source,
        "ce-type": event.type,
        "ce-time": event.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }
    optional = {
        "ce-subject": event.subject,
        "ce-tenantid": str(event.tenant_id) if event.tenant_id else None,
        "ce-traceparent": event.traceparent,
        "ce-correlationid": event.correlation_id,
    }
    headers.update({name: value for name, value in optional.items() if value is not None})
    return headers


def from_headers(headers: Mapping[str, Any], body: bytes) -> Event:
    """The event of one message. `EventRefusedError` for what is not a CloudEvent with an object as data."""
    try:
        data = orjson.loads(body)
        if headers.get("ce-specversion") != SPEC_VERSION or not isinstance(data, dict):
            raise ValueError("not a CloudEvent 1.0 with a JSON object")
        tenant = headers.get("ce-tenantid")
        return Event(
            id=UUID(str(headers["ce-id"])),
            type=str(headers["ce-type"]),
            source=str(headers["ce-source"]),
            time=datetime.fromisoformat(str(headers["ce-time"])),
            tenant_id=UUID(str(tenant)) if tenant else None,
            subject=headers.get("ce-subject"),
            traceparent=headers.get("ce-traceparent"),
            correlation_id=headers.get("ce-correlationid"),
            data=data,
            _encoded=body,
        )
    except (KeyError, ValueError) as error:
        raise EventRefusedError(f"not a valid event: {error}") from None


def from_row(row: Any) -> Event:
    """The event of an outbox or bus row (`data` selected as text)."""
    text: str = row["data"]
    return Event(
        id=row["id"],
        type=row["type"],
        source=row["source"],
        tenant_id=row["tenant_id"],
        subject=row["subject"],
        time=row["occurred_at"],
        data=orjson.loads(text),
        traceparent=row["traceparent"],
        correlation_id=row["correlation_id"],
        _encoded=text.encode(),
    )


def from_outbox(row: Any) -> list[Event]:
    """The events of an outbox row (`data` selected as text): one, or those of a pack in their order.

    The latter have their places in the pack as the last two bytes of their ids.
    """
    if row["pack_size"] is None:
        return [from_row(row)]
    return [
        Event(
            id=UUID(int=row["id"].int & ~0xFFFF | place),
            type=one["type"],
            source=row["source"],
            tenant_id=row["tenant_id"],
            subject=one["subject"],
            time=row["occurred_at"],
            data=one["data"],
            traceparent=row["traceparent"],
            correlation_id=one["correlation_id"],
        )
        for place, one in enumerate(orjson.loads(row["data"]))
    ]


def to_document(event: Event) -> dict[str, Any]:
    """The CloudEvents JSON form, for people and HTTP answers."""
    attributes = {name.removeprefix("ce-"): value for name, value in to_headers(event).items()}
    return {**attributes, "datacontenttype": "application/json", "data": event.data}
