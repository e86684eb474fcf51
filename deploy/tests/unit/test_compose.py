"""The compose file gives each service what the local stack gives it, and nothing that no service reads."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from auth_service.settings import AuthSettings
from campaign_service.settings import Settings as CampaignSettings
from code_service.settings import Settings as CodeSettings
from deploy.docker.make_env import complete
from deploy.local.settings import DEFAULTS, Secrets, Settings
from property_service.settings import Settings as PropertySettings
from shared.config import SERVICES, CommonConfig, ServiceSpec
from webhook_gateway.settings import GatewaySettings

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)["services"]
READERS: dict[str, type[CommonConfig]] = {
    "webhook-gateway": GatewaySettings,
    "auth-service": AuthSettings,
    "campaign-service": CampaignSettings,
    "code-service": CodeSettings,
    "property-service": PropertySettings,
}
OF_THE_IMAGE = {"HOST", "DATA_DIR", "PYTHONUNBUFFERED"}
#: What the README says of `run.py` alone: servers of one's own are lines of the compose file.
OF_RUN_ALONE = {"DATABASE_URL", "EVENTS_URL", "TIDINGS_STATE"}
each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


def given_by_the_local_stack(service: ServiceSpec) -> dict[str, str]:
    keys = Secrets("secret", "role secret", {each.name: "key" for each in SERVICES})
    ports = {each.name: each.port for each in SERVICES}
    dsn = "postgresql://postgres:root@postgres:5432/tidings"
    stack = Settings(Path("/data"), keys, dsn, "amqp://", "smtp://", "0.0.0.0", ports, {})
    return stack.for_service(service)


@each_service
def test_container_gets_the_settings_that_the_local_stack_gives(service: ServiceSpec) -> None:
    local, container = given_by_the_local_stack(service), COMPOSE[service.name]["environment"]
    assert set(local) - OF_THE_IMAGE <= set(container)
    assert set(DEFAULTS) <= set(container)
    assert container["PORT"] == local["PORT"]
    login, _, place = container["DATABASE_URL"].partition(":${")
    assert local["DATABASE_URL"].startswith(login)
    assert place.endswith("@postgres:5432/tidings")
    assert place.startswith(f"{service.schema.upper()}_DATABASE_PASSWORD:?")
    own_key = f"${{{service.name.upper().replace('-', '_')}_KEY:?"
    assert container["INTERNAL_SERVICE_KEY"].startswith(own_key)
    assert f"{service.name}:{own_key}" in container["INTERNAL_SERVICE_KEYS"]
    assert container[f"{service.name.upper().replace('-', '_')}_URL"].endswith(
        f"//{service.name}:{service.port}"
    )


@each_service
def test_container_gets_nothing_that_its_service_does_not_read(service: ServiceSpec) -> None:
    addresses = {f"{each.name.upper().replace('-', '_')}_URL" for each in SERVICES}
    read = {name.upper() for name in READERS[service.name].model_fields} | addresses
    assert set(COMPOSE[service.name]["environment"]) <= read


def test_settings_of_the_readme_can_be_made_for_containers() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \|", readme, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"[A-Z_]+", row)} - OF_RUN_ALONE
    assert len(told) > 10
    assert told <= {name for service in COMPOSE.values() for name in service.get("environment", {})}


def test_no_two_containers_build_the_same_image() -> None:
    built = Counter(service["image"] for service in COMPOSE.values() if "build" in service)
    assert built
    assert set(built.values()) == {1}


def test_worker_differs_from_its_service_in_its_role_and_has_no_port() -> None:
    service, worker = COMPOSE["campaign-service"], COMPOSE["campaign-worker"]
    assert worker["environment"] == service["environment"] | {
        "SERVICE_ROLE": "worker",
        "INTAKE_SMTP_PORT": "0",
    }
    assert worker["build"] == service["build"]
    assert worker["volumes"] == service["volumes"]
    assert "ports" not in worker


def test_completed_environment_keeps_what_is_there() -> None:
    made = complete("", TEXT)
    assert complete(made, TEXT) == made
    own = "# ours\nMAIL_DOMAIN=mail.example.com\n" + made.replace("AUTH_SERVICE_KEY=", "OLD_KEY=").rstrip(
        "\n"
    )
    lines = complete(own, TEXT).splitlines()
    assert lines[:-1] == own.splitlines()
    assert re.fullmatch(r"AUTH_SERVICE_KEY=\S{40,}", lines[-1])


def test_renewed_secret_changes_itself_and_what_derives_from_it() -> None:
    made = complete("", TEXT)
    renewed = complete(made, TEXT, ["DATABASE_ROLE_SECRET"])
    changed = {
        old.partition("=")[0]
        for old, new in zip(made.splitlines(), renewed.splitlines(), strict=True)
        if old != new
    }
    assert changed == {"DATABASE_ROLE_SECRET"} | {
        f"{each.schema.upper()}_DATABASE_PASSWORD" for each in SERVICES
    }
    secret = re.search(r"^DATABASE_ROLE_SECRET=(.*)$", made, re.MULTILINE)
    assert secret
    quoted = made.replace(secret[0], f'DATABASE_ROLE_SECRET="{secret[1]}"')
    assert complete(quoted, TEXT) == made


@pytest.mark.parametrize("name", ["MAIL_DOMAIN", "AUTH_DATABASE_PASSWORD"])
def test_only_secrets_are_renewed(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        complete("", TEXT, [name])
