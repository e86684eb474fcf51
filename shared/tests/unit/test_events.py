"""The envelope, the catalog and the topology, without a server."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from shared.errors import ConfigurationError
from shared.events import Consumer, EventBus, EventRefusedError, MessageContext, new_event
from shared.events.asyncapi import asyncapi_document
from shared.events.catalog import CATALOG, MessageRequested, Recipient, TenantCreated, expand
from shared.events.envelope import from_headers, to_document, to_headers
from shared.events.relay import back_off
from shared.events.transports.amqp_topology import consumer_arguments, dead_arguments
from shared.utils import logger


def message() -> MessageRequested:
    return MessageRequested(
        template="auth.verify_email", recipient=Recipient(email="ada@example.com"), idempotency_key="k"
    )


def test_event_survives_the_headers_of_the_wire() -> None:
    event = new_event("message.requested.v1", message(), tenant_id=uuid4(), subject="Grüße", source="/auth")
    assert from_headers(to_headers(event), event.encoded_data()) == event


def test_headers_are_those_of_cloudevents() -> None:
    event = new_event("message.requested.v1", message(), tenant_id=None, source="/auth-service")
    headers = to_headers(event)
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-type"] == "message.requested.v1"
    assert headers["ce-time"].endswith("Z")
    assert datetime.fromisoformat(headers["ce-time"]).tzinfo == UTC
    assert not {"ce-subject", "ce-tenantid", "ce-traceparent"} & headers.keys()
    assert to_document(event)["data"]["idempotency_key"] == "k"


def test_event_takes_the_ids_of_the_running_request() -> None:
    with logger.set_context(request_id="r-1", traceparent="00-aa-bb-01"):
        event = new_event("message.requested.v1", message(), tenant_id=None)
    assert (event.correlation_id, event.traceparent) == ("r-1", "00-aa-bb-01")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("campaign.unknown.happened.v1", {}),
        ("message.requested.v1", {}),
        ("message.requested.v1", {**message().model_dump(), "surprise": 1}),
        ("message.requested.v1", {**message().model_dump(), "channel": "pigeon"}),
        ("message.requested.v1", TenantCreated(tenant_id=uuid4(), name="A", slug="a")),
    ],
)
def test_data_that_is_not_of_the_catalog_is_refused(name: str, data: Any) -> None:
    with pytest.raises(EventRefusedError):
        new_event(name, data, tenant_id=None)


def test_data_of_another_tenant_than_the_envelope_is_refused() -> None:
    mine, theirs = uuid4(), uuid4()
    data = TenantCreated(tenant_id=theirs, name="A", slug="a")
    with pytest.raises(EventRefusedError, match="another tenant"):
        new_event("auth.tenant.created.v1", data, tenant_id=mine)
    assert new_event("auth.tenant.created.v1", data, tenant_id=theirs).tenant_id == theirs


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ({}, b"not json"),
        ({}, b"[1]"),
        ({}, b"\xff"),
        ({"ce-id": "nobody"}, b"{}"),
        ({"ce-id": None}, b"{}"),
        ({"ce-specversion": "0.3"}, b"{}"),
        ({"ce-time": "yesterday"}, b"{}"),
        ({"ce-tenantid": "me"}, b"{}"),
    ],
)
def test_message_that_is_no_event_is_refused(change: dict[str, Any], body: bytes) -> None:
    good = to_headers(new_event("message.requested.v1", message(), tenant_id=None, source="/x"))
    headers = {name: value for name, value in {**good, **change}.items() if value is not None}
    with pytest.raises(EventRefusedError):
        from_headers(headers, body)


def test_handler_reads_data_as_a_model_and_ignores_new_fields() -> None:
    event = new_event("message.requested.v1", message(), tenant_id=None)
    event.data["added_later"] = True
    context = MessageContext(event, None, "c", 0)
    assert context.parse(MessageRequested) == message()
    with pytest.raises(EventRefusedError):
        context.parse(TenantCreated)


def test_star_in_a_type_stands_for_one_segment() -> None:
    assert "webhook.powermta.received.v1" in expand(("webhook.*.received.v1",))
    assert expand(("job.failed_permanently.v1",)) == ("job.failed_permanently.v1",)
    for wrong in ("webhook.*", "*", "webhook.nobody.received.v1"):
        with pytest.raises(ValueError, match="no event type"):
            expand((wrong,))


def test_types_are_facts_with_a_version() -> None:
    for name in CATALOG:
        *_, version = name.split(".")
        assert version == "v1"
        assert name == name.lower()


def test_asyncapi_document_has_every_type_and_resolves() -> None:
    document = asyncapi_document()
    assert set(document["channels"]) == set(CATALOG)
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "#/')[1:]}:
        node: Any = document
        for step in reference.split("/"):
            node = node[step]


def test_asyncapi_document_is_printed() -> None:
    command = [sys.executable, "-m", "shared.events"]
    printed = subprocess.run([*command, "asyncapi"], capture_output=True, check=True, timeout=60)
    assert json.loads(printed.stdout)["asyncapi"] == "3.0.0"
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 2


def test_back_off_grows_and_is_bounded() -> None:
    assert 0.1 < back_off(1) < 0.3
    assert 1 < back_off(4) < 2
    assert back_off(50) < 19


def test_queue_arguments_follow_the_broker_version() -> None:
    old, new = consumer_arguments("q.dead", (3, 10)), consumer_arguments("q.dead", (4, 3))
    assert old["x-queue-type"] == "quorum"
    assert old["x-delivery-limit"] == 20
    assert new.keys() - old.keys() == {
        "x-delayed-retry-type",
        "x-delayed-retry-min",
        "x-delayed-retry-max",
    }
    assert dead_arguments((3, 10)) == {"x-queue-type": "quorum"}
    assert dead_arguments((4, 0))["x-delivery-limit"] == -1


async def _ignore(_: MessageContext) -> None: ...


async def test_wrong_wiring_is_refused_at_once() -> None:
    db: Any = None
    with pytest.raises(ConfigurationError):
        EventBus(db, service="x", url="kafka://somewhere")
    bus = EventBus(db, service="x")
    with pytest.raises(ValueError, match="share a name"):
        bus.bind(None, [Consumer("a", ["message.requested.v1"], _ignore)] * 2)
    with pytest.raises(ValueError, match="no event type"):
        bus.bind(None, [Consumer("a", ["nothing.v1"], _ignore)])
