#!/usr/bin/env python3
"""Print a `.env` with new random secrets for docker-compose.yml: `python3 deploy/docker/make_env.py > .env`.

Fills in exactly the variables that the compose file requires. Needs nothing but Python's standard library.
"""

from __future__ import annotations

import importlib.util
import re
import secrets
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
ROLE_SECRET = "DATABASE_ROLE_SECRET"
_REQUIRED = re.compile(r"\$\{(\w+):\?")
_ROLE_PASSWORD = re.compile(r"(\w+)_DATABASE_PASSWORD")


def environment(compose: str) -> dict[str, str]:
    """A value for each required variable: random, or derived for the login of a database role."""
    names = sorted({ROLE_SECRET, *_REQUIRED.findall(compose)})
    values = {name: secrets.token_urlsafe(32) for name in names}
    roles = _roles()
    for name in names:
        if found := _ROLE_PASSWORD.fullmatch(name):
            role = roles.runtime_role(found[1].lower())
            values[name] = roles.role_password(values[ROLE_SECRET], role)
    return values


def _roles() -> ModuleType:
    """The module that derives role passwords, loaded by path: its package needs more than Python alone."""
    path = ROOT / "shared" / "src" / "shared" / "database" / "roles.py"
    spec = importlib.util.spec_from_file_location("tidings_roles", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    for name, value in environment(compose).items():
        print(f"{name}={value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
