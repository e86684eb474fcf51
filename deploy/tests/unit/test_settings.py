import stat
from pathlib import Path

import pytest

from deploy.docker.make_env import environment
from deploy.local.settings import Settings, load_secrets
from shared.config import SERVICES
from shared.database.roles import role_password

ROOT = Path(__file__).resolve().parents[3]


def settings(folder: Path, given: dict[str, str] | None = None) -> Settings:
    given = given or {}
    return Settings(
        state=folder,
        secrets=load_secrets(folder, given),
        admin_dsn="postgresql://postgres:root@127.0.0.1:6000/tidings",
        events_url="postgres://",
        smtp_url="smtp://127.0.0.1:1025",
        host="0.0.0.0",
        ports={service.name: 9000 + index for index, service in enumerate(SERVICES)},
        environment=given,
    )


def test_secrets_are_made_once_and_kept_private(tmp_path: Path) -> None:
    first = load_secrets(tmp_path, {})
    assert load_secrets(tmp_path, {}) == first
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert len(set(first.service_keys.values())) == len(SERVICES)
    assert load_secrets(tmp_path, {"JWT_SECRET": "given"}).jwt_secret == "given"


def test_service_gets_its_own_login_and_never_the_secret_behind_all_logins(tmp_path: Path) -> None:
    chosen = settings(
        tmp_path, {"DATABASE_ROLE_SECRET": "the role secret", "HOST": "workstation", "PORT": "1"}
    )
    for service in SERVICES:
        variables = chosen.for_service(service)
        password = role_password("the role secret", f"tidings_{service.schema}_rw")
        assert variables["DATABASE_URL"].startswith(
            f"postgresql://tidings_{service.schema}_rw:{password}@127.0.0.1:6000/"
        )
        assert "DATABASE_ROLE_SECRET" not in variables
        assert variables["INTERNAL_SERVICE_KEY"] == chosen.secrets.service_keys[service.name]
        assert variables["PORT"] == str(chosen.ports[service.name])
    hosts = {service.name: chosen.for_service(service)["HOST"] for service in SERVICES}
    assert hosts.pop("webhook-gateway") == "0.0.0.0"
    assert set(hosts.values()) == {"127.0.0.1"}


def test_settings_of_the_caller_reach_the_services(tmp_path: Path) -> None:
    chosen = settings(tmp_path, {"RATE_LIMIT_REQUESTS": "7", "PUBLIC_URL": "https://mail.example.com"})
    variables = chosen.for_service(SERVICES[0])
    assert (variables["RATE_LIMIT_REQUESTS"], variables["PUBLIC_URL"]) == ("7", "https://mail.example.com")


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ({}, "false"),
        ({"SMTP_URL": "smtp://mail.example.com"}, None),
        ({"REQUIRE_VERIFIED_EMAIL": "true"}, "true"),
    ],
)
def test_who_sends_needs_a_proven_address_when_mail_leaves_the_machine(
    tmp_path: Path, given: dict[str, str], needed: str | None
) -> None:
    assert settings(tmp_path, given).for_service(SERVICES[0]).get("REQUIRE_VERIFIED_EMAIL") == needed


def test_compose_secrets_fit_the_roles_that_migrations_make() -> None:
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    values = environment(compose)
    secret = values["DATABASE_ROLE_SECRET"]
    for service in SERVICES:
        expected = role_password(secret, f"tidings_{service.schema}_rw")
        assert values[f"{service.schema.upper()}_DATABASE_PASSWORD"] == expected
        assert f"\n  {service.name}:\n" in compose
        assert (
            f"{service.name.upper().replace('-', '_')}_URL: http://{service.name}:{service.port}\n" in compose
        )
    assert values["JWT_SECRET"] != environment(compose)["JWT_SECRET"]
