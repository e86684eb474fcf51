import json
import re
from pathlib import Path

import pytest

from shared.config import SERVICES, ServiceSpec
from shared.events import metrics as event_metrics
from shared.jobs import metrics as job_metrics
from shared.web.metrics import HttpMetrics

DEPLOY = Path(__file__).resolve().parents[2]
OBSERVED = re.compile(r"\b(?:tidings|process)_[a-z_]+")


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_service_has_its_manifest_address_and_scrape_target(service: ServiceSpec) -> None:
    manifest = (DEPLOY / "k8s" / f"20-{service.name}.yaml").read_text("utf-8")
    variable = service.name.upper().replace("-", "_")
    assert f"image: tidings/{service.name}\n" in manifest
    assert f"containerPort: {service.port}" in manifest
    assert f"key: {service.schema.upper()}_DATABASE_URL" in manifest
    settings = (DEPLOY / "k8s" / "00-settings.yaml").read_text("utf-8")
    assert f"{variable}_URL: http://{service.name}:{service.port}\n" in settings
    scraped = (DEPLOY / "observability" / "prometheus.yml").read_text("utf-8")
    assert f"[{service.name}:{service.port}]" in scraped


def test_secrets_that_manifests_ask_for_are_in_the_example() -> None:
    example = (DEPLOY / "k8s" / "secrets.env.example").read_text("utf-8")
    manifests = "".join(path.read_text("utf-8") for path in (DEPLOY / "k8s").glob("*.yaml"))
    asked = set(re.findall(r"secretKeyRef: \{name: tidings, key: (\w+)\}", manifests))
    assert asked <= set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    assert len(asked) > len(SERVICES)


def test_dashboard_and_alerts_use_figures_that_services_publish() -> None:
    assert event_metrics.handled
    assert job_metrics.attempts
    metrics = HttpMetrics("example")
    metrics.observe("GET", "/", 200, 0.1)
    published = set(re.findall(r"^# TYPE (\w+)", metrics.render().decode(), re.MULTILINE))
    dashboard = json.loads((DEPLOY / "observability" / "dashboard.json").read_text("utf-8"))
    used = {name for panel in dashboard["panels"] for name in OBSERVED.findall(panel["targets"][0]["expr"])}
    used |= set(OBSERVED.findall((DEPLOY / "observability" / "alerts.yml").read_text("utf-8")))
    assert {name.removesuffix("_bucket") for name in used} <= published


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-browser.txt"])
def test_images_have_the_packages_that_were_tested(name: str) -> None:
    pinned = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
    ours = dict(pinned.findall((DEPLOY.parent / name).read_text("utf-8")))
    tested = dict(pinned.findall((DEPLOY.parent / "requirements-dev.txt").read_text("utf-8")))
    assert ours
    assert ours == {package: tested[package] for package in ours}
