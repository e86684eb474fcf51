#!/usr/bin/env python3
"""Make the `.env` of docker-compose.yml, or complete one: `python3 deploy/docker/make_env.py .env`.

Fills in exactly the variables that the compose file requires, with random secrets. What the file has is kept,
but for what `--renew` names; see docs/containers.md for what else a new secret takes. Without a file the
variables are printed. Needs nothing but Python's standard library.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import secrets
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
ROLE_SECRET = "DATABASE_ROLE_SECRET"
_REQUIRED = re.compile(r"\$\{(\w+):\?")
_ROLE_PASSWORD = re.compile(r"(\w+)_DATABASE_PASSWORD")
_LINE = re.compile(r"^(\w+)=(.*)$", re.MULTILINE)


def environment(compose: str, kept: Mapping[str, str] | None = None) -> dict[str, str]:
    """A value for each required variable: what is kept, else random; logins of database roles are derived."""
    kept = kept or {}
    names = sorted({ROLE_SECRET, *_REQUIRED.findall(compose)})
    values = {name: kept.get(name) or secrets.token_urlsafe(32) for name in names}
    roles = _roles()
    for name in names:
        if found := _ROLE_PASSWORD.fullmatch(name):
            role = roles.runtime_role(found[1].lower())
            values[name] = roles.role_password(values[ROLE_SECRET], role)
    return values


def complete(text: str, compose: str, renew: Iterable[str] = ()) -> str:
    """The text of a `.env` with every required variable in it; its other lines stay as they are.

    Raises ValueError for a variable to renew that is not random.
    """
    kept = {name: value.strip().strip("\"'") for name, value in _LINE.findall(text)}
    for name in renew:
        if name not in environment(compose) or _ROLE_PASSWORD.fullmatch(name):
            raise ValueError(f"{name} is not a secret of docker-compose.yml")
        kept.pop(name, None)
    values = environment(compose, kept)
    lines = _LINE.sub(lambda line: f"{line[1]}={values.pop(line[1], line[2])}", text)
    if lines and not lines.endswith("\n"):
        lines += "\n"
    return lines + "".join(f"{name}={value}\n" for name, value in values.items())


def _roles() -> ModuleType:
    """The module that derives role passwords, loaded by path: its package needs more than Python alone."""
    path = ROOT / "shared" / "src" / "shared" / "database" / "roles.py"
    spec = importlib.util.spec_from_file_location("tidings_roles", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", nargs="?", type=Path, help="made or completed; printed when not given")
    parser.add_argument("--renew", nargs="+", default=[], metavar="NAME", help="secrets to replace")
    options = parser.parse_args(arguments)
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    text = options.file.read_text("utf-8") if options.file and options.file.exists() else ""
    try:
        result = complete(text, compose, options.renew)
    except ValueError as error:
        parser.error(str(error))
    if options.file:
        write(options.file, result)
    else:
        sys.stdout.write(result)
    return 0


def write(path: Path, text: str) -> None:
    """Replace the file at once, for its owner alone: nobody finds half of it."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.touch(mode=0o600)
    temporary.chmod(0o600)
    temporary.write_text(text, "utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
