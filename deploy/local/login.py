"""A tenant to try things out with, registered through the public door like any other."""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from deploy.local.state import read_json, write_json

PROFILE = {"tenant_name": "Demo Garden Centre", "first_name": "Demo", "last_name": "Owner"}


@dataclass(frozen=True)
class DemoLogin:
    email: str
    password: str


def demo_login(gateway_url: str, folder: Path) -> DemoLogin | None:
    """The login kept in `folder`, or a newly registered one; None when the gateway refuses both."""
    path = folder / "demo-login.json"
    stored = read_json(path)
    if stored and _post(f"{gateway_url}/auth/login", stored):
        return DemoLogin(**stored)
    # A new address each time: the database may have been emptied, or may be somebody's real one.
    fresh = {"email": f"demo-{secrets.token_hex(3)}@example.com", "password": secrets.token_urlsafe(12)}
    if not _post(f"{gateway_url}/auth/register", fresh | PROFILE):
        return None
    write_json(path, fresh)
    return DemoLogin(**fresh)


def _post(url: str, body: dict[str, str]) -> bool:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return bool(200 <= answer.status < 300)
    except urllib.error.HTTPError:
        return False
