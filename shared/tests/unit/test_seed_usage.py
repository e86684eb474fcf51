"""The names and usages the first document of the shared library promises, and the faults of its ancestor."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import Depends, FastAPI
from pydantic import ValidationError as PydanticError

import shared
from shared import (
    Call,
    Conversation,
    Lead,
    Message,
    NotFoundError,
    PhoneNumber,
    ServiceClient,
    ValidationError,
    error_response,
    get_common_config,
    get_service_url,
    logger,
    success_response,
    uuid7,
    validate_email_required,
)
from shared.config import SERVICE_PORTS, parse_duration
from shared.errors import ConfigurationError
from shared.models import ApiResponse
from shared.testing.identities import TokenMint
from shared.utils import require_jwt_auth, require_service_auth
from shared.utils.logging import configure_logging, log_request
from shared.utils.tokens import JwksCache, TokenVerifier

ReadLines = Callable[[], list[str]]


@pytest.fixture
def log_lines(capsys: pytest.CaptureFixture[str]) -> Iterator[ReadLines]:
    """What was logged since the last call."""
    configure_logging("debug")
    yield lambda: capsys.readouterr().out.splitlines()
    configure_logging("error")


def test_every_promised_name_is_exported() -> None:
    promised = [
        "init_database",
        "get_common_config",
        "query",
        "success_response",
        "error_response",
        "ServiceClient",
        "get_service_url",
        "SERVICE_PORTS",
        "BaseRepository",
        "SimpleDatabase",
        "SimpleMigrationManager",
        "logger",
        "get_database",
        "ApiResponse",
        "User",
        "Tenant",
        "JwtPayload",
        "Call",
        "Conversation",
        "Message",
        "Lead",
        "PhoneNumber",
        "ValidationError",
        "NotFoundError",
        "UnauthorizedError",
        "require_jwt_auth",
        "require_service_auth",
        "validate_email_required",
    ]
    assert [name for name in promised if not hasattr(shared, name)] == []


def test_service_urls_come_from_the_table_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_service_url("auth-service") == f"http://localhost:{SERVICE_PORTS['auth-service']}"
    monkeypatch.setenv("AUTH_SERVICE_URL", "http://auth.internal:9/")
    assert get_service_url("auth-service") == "http://auth.internal:9"
    with pytest.raises(ValueError, match="unknown service"):
        get_service_url("no-service")


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@db/x")
    monkeypatch.setenv("DB_MAX_CONNECTIONS", "7")
    monkeypatch.setenv("JWT_EXPIRES_IN", "24h")
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    monkeypatch.setenv("CORS_ORIGINS", "http://a.test, https://b.test")
    monkeypatch.setenv("INTERNAL_SERVICE_KEYS", "auth-service:one,two;campaign-service:three")
    config = get_common_config()
    assert config.database.max_connections == 7
    assert config.database.url.get_secret_value() == "postgresql://u:p@db/x"
    assert config.jwt_expires_in == 86400
    assert config.log_level == "warning"
    assert config.cors_origins == ["http://a.test", "https://b.test"]
    assert config.accepted_service_keys() == {
        "one": "auth-service",
        "two": "auth-service",
        "three": "campaign-service",
    }
    assert "u:p" not in repr(config)


@pytest.mark.parametrize("value", ["change-me-please-change-me-please-1234", "short", "dev-only-secret"])
def test_production_refuses_placeholder_secrets(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PYTHON_ENV", "production")
    monkeypatch.setenv("INTERNAL_SERVICE_KEY", "k" * 40)
    monkeypatch.setenv("JWT_SECRET", value)
    with pytest.raises(ConfigurationError, match="JWT_SECRET"):
        get_common_config()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_MAX_CONNECTIONS", "many"),
        ("DB_MAX_CONNECTIONS", "0"),
        ("RATE_LIMIT_REQUESTS", "0"),
        ("RATE_LIMIT_WINDOW", "0"),
        ("JWT_EXPIRES_IN", "0s"),
        ("LOG_LEVEL", "loud"),
        ("CORS_ORIGINS", "https://app.example.com,app.example.com"),
        ("CORS_ORIGINS", "https://app.example.com/path"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        get_common_config()


@pytest.mark.parametrize("name", ["DATABASE_URL", "EVENTS_URL", "REDIS_URL", "SMTP_URL", "PUBLIC_URL"])
def test_an_address_of_another_kind_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "ftp://user:hidden@example.com")
    with pytest.raises(ConfigurationError, match=f"{name} must begin with one of") as caught:
        get_common_config()
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("600", 600), ("10m", 600), ("24h", 86400), ("7d", 604800), (5, 5)]
)
def test_durations(text: object, seconds: int) -> None:
    assert parse_duration(text) == seconds


def test_responses_have_one_shape() -> None:
    good = success_response([1], "Users retrieved successfully").model_dump()
    assert good["success"] is True
    assert good["data"] == [1]
    assert good["timestamp"].tzinfo is not None
    bad = error_response(
        "wrong", details={"code": "VALIDATION_ERROR", "field": "email", "hint": 1}
    ).model_dump()
    assert bad["success"] is False
    assert bad["error"]["code"] == "VALIDATION_ERROR"
    assert bad["error"]["field"] == "email"
    assert bad["error"]["details"] == {"hint": 1}


def test_validation_errors_carry_code_and_field() -> None:
    with pytest.raises(ValidationError) as caught:
        validate_email_required("not an address", "customer_email")
    assert caught.value.code == "VALIDATION_ERROR"
    assert caught.value.field == "customer_email"
    assert "customer_email" in str(caught.value)


def test_context_logging_works_as_a_with_block(log_lines: ReadLines) -> None:
    logger.info("User login successful", extra={"user_id": "123", "tenant_id": "456"})
    with logger.set_context(request_id="req-123", tenant_id="tenant-456") as ctx:
        ctx.info("Processing user request")
        ctx.error("Validation failed", error=ValueError("bad"))
    logger.info("after")
    lines = [json.loads(line) for line in log_lines()]
    assert [line["event"] for line in lines] == [
        "User login successful",
        "Processing user request",
        "Validation failed",
        "after",
    ]
    assert lines[0]["user_id"] == "123"
    assert lines[1]["request_id"] == "req-123"
    assert lines[2]["error"] == {"type": "ValueError", "message": "bad"}
    assert "request_id" not in lines[3]


def test_the_line_of_a_request_is_what_the_logger_would_write(log_lines: ReadLines) -> None:
    with logger.set_context(request_id="req-1"):
        logger.info("request", method="GET", route="/x/{id}", status=200, milliseconds=1.5)
        log_request(method="GET", route="/x/{id}", status=200, milliseconds=1.5)
    logged, quick = (json.loads(line) for line in log_lines())
    assert datetime.fromisoformat(quick.pop("timestamp")) >= datetime.fromisoformat(logged.pop("timestamp"))
    assert quick == logged
    configure_logging("warning")
    log_request(status=200)
    assert log_lines() == []


def test_secrets_never_reach_the_log(log_lines: ReadLines) -> None:
    logger.info("login", password="correct horse", access_token="abc", extra={"api_key": "td_live_x"})
    text = "".join(log_lines())
    assert "login" in text
    assert "correct horse" not in text
    assert "td_live_x" not in text
    assert "abc" not in text


def test_lines_are_json_also_before_logs_are_configured_and_of_other_libraries() -> None:
    script = (
        "import logging\nfrom shared import logger\nlogger.info('login', extra={'password': 'hunter2'})\n"
        "from shared.utils import configure_logging\nconfigure_logging('info', service='x')\n"
        "logging.getLogger('uvicorn.error').warning('Invalid %s', 'request')\n"
        "try: 1 / 0\nexcept ZeroDivisionError: logging.getLogger('y').exception('broken')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    first, second, third = (json.loads(line) for line in done.stdout.splitlines())
    assert (first["event"], first["password"]) == ("login", "[hidden]")
    assert (second["event"], second["level"], second["logger"], second["service"]) == (
        "Invalid request",
        "warning",
        "uvicorn.error",
        "x",
    )
    assert (third["level"], "ZeroDivisionError" in third["exception"]) == ("error", True)


def test_ids_are_version_seven_unique_and_ordered() -> None:
    ids = [uuid7() for _ in range(20_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert {i.version for i in ids} == {7}
    assert all((i.int >> 62) & 3 == 2 for i in ids)


def test_business_models_check_their_values() -> None:
    base = {"id": uuid7(), "tenant_id": uuid7(), "created_at": datetime.now(UTC)}
    number = PhoneNumber(**base, number="(212) 555-0100")
    assert number.number == "+12125550100"
    call = Call(
        **base,
        customer_phone="+33612345678",
        business_phone="+12125550100",
        status="missed",
        started_at=datetime.now(UTC),
    )
    assert call.duration == 0
    assert Conversation(**base, customer_phone="+33612345678", business_phone="+12125550100").status == "open"
    assert Lead(**base, customer_phone="+33612345678").status == "new"
    with pytest.raises(PydanticError):
        Message(**base, conversation_id=uuid7(), direction="sideways", body="x")
    with pytest.raises(PydanticError, match="phone"):
        PhoneNumber(**base, number="12")


async def test_service_client_sends_its_key_and_raises_what_the_other_side_says() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.url.path == "/missing":
            return httpx.Response(
                404, text=error_response("no such user", code="NOT_FOUND").model_dump_json()
            )
        if request.url.path == "/html":
            return httpx.Response(200, text="<html>")
        return httpx.Response(200, text=success_response([{"id": 1}]).model_dump_json())

    async with ServiceClient("a-service-key") as client:
        client._client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        users = await client.get("http://auth/internal/users")
        assert isinstance(users, ApiResponse)
        assert users.data == [{"id": 1}]
        with pytest.raises(NotFoundError, match="no such user"):
            await client.get("http://auth/missing")
        with pytest.raises(shared.ExternalServiceError):
            await client.post("http://auth/html")


def seed_app(mint: TokenMint) -> FastAPI:
    app = FastAPI()
    app.state.token_verifier = TokenVerifier(JwksCache(mint.fetch_jwks), "http://localhost:8000")

    @app.get("/users/profile")
    async def get_profile(jwt_payload: dict[str, str] = Depends(require_jwt_auth())) -> dict[str, str]:
        return {"user": jwt_payload["user_id"], "tenant": jwt_payload["tenant_id"]}

    @app.post("/internal/users")
    async def create_user(
        user_data: dict[str, str], authenticated: bool = Depends(require_service_auth("the-service-key"))
    ) -> bool:
        return authenticated

    return app


async def test_route_dependencies_of_the_seed_work_on_a_plain_app() -> None:
    mint = TokenMint()
    user, tenant = uuid7(), uuid7()
    transport = httpx.ASGITransport(app=seed_app(mint))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        profile = await client.get("/users/profile", headers=mint.headers(tenant, user_id=user))
        assert profile.json() == {"user": str(user), "tenant": str(tenant)}
        stranger = await client.get("/users/profile")
        assert (stranger.status_code, stranger.headers["www-authenticate"]) == (401, "Bearer")
        forged = await client.get("/users/profile", headers={"Authorization": "Bearer x"})
        assert (forged.status_code, forged.json()["detail"]) == (401, "The access token is not valid")
        made = await client.post("/internal/users", json={}, headers={"X-Service-Key": "the-service-key"})
        assert made.json() is True
        refused = await client.post("/internal/users", json={}, headers={"X-Service-Key": "the-service-kez"})
        assert (refused.status_code, refused.json()["detail"]) == (401, "A service key is required")


def test_names_load_when_they_are_asked_for_and_each_is_there() -> None:
    script = "import sys, shared.database\nassert not {'fastapi', 'httpx', 'jwt'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
    names: dict[str, object] = {}
    exec("from shared import *", names)
    assert {"get_database", "logger", "require_jwt_auth", "Lead", "SERVICE_PORTS"} < set(names)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(shared, "nothing")  # noqa: B009  # the type checker knows the name is not there
