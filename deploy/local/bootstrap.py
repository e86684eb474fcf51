"""Prepare `.venv` and continue in it. Runs before any dependency is there: standard library only."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = ROOT / "requirements-dev.txt"
STAMP = VENV / "tidings-stamp.json"


class BootstrapError(Exception):
    """The environment cannot be prepared; the message says what to do."""


def enter(script: str) -> None:
    """Return at once inside the prepared `.venv`; elsewhere prepare it and start `script` again there.

    Ends the process with one clear message when that is impossible.
    """
    try:
        prepare()
    except BootstrapError as error:
        sys.exit(f"Tidings cannot start: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    if Path(sys.prefix).resolve() == VENV.resolve():
        return
    # Search paths of another project must not win over our own packages.
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    sys.stdout.flush()
    os.execve(PYTHON, [str(PYTHON), str(Path(script).resolve()), *sys.argv[1:]], kept)


def prepare() -> None:
    """Bring `.venv` up to date with the pinned requirements; quick when it already is."""
    if not _ready():
        with _lock():
            if not _ready():
                _install()
    _write_paths()


def _wanted() -> dict[str, str]:
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    return {"requirements": digest, "root": str(ROOT)}


def _stamp() -> dict[str, str]:
    try:
        content = json.loads(STAMP.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _ready() -> bool:
    return _stamp() == _wanted() and os.access(PYTHON, os.X_OK)


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    folder = ROOT / ".tidings"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        handle = (folder / "bootstrap.lock").open("a")
    except OSError as error:
        raise BootstrapError(f"{ROOT} is not writable ({error.strerror})") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Another start is preparing .venv; waiting for it …")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _install() -> None:
    began = time.monotonic()
    _say("Preparing Python packages in .venv (only when they changed; about a minute) …")
    with_pip = _make_venv()
    chosen: list[str | Path] = (
        [PYTHON, "-m", "pip"] if with_pip else [sys.executable, "-m", "pip", "--python", PYTHON]
    )
    # Twice quiet: pip's advice to package authors is not for who starts us. Errors are still said.
    command = [*chosen, "install", "-qq", "--no-input", "--disable-pip-version-check"]
    _run(
        [*command, "--no-deps", "--require-hashes", "-r", REQUIREMENTS],
        "installing the pinned requirements failed",
    )
    temporary = STAMP.with_suffix(".new")
    temporary.write_text(json.dumps(_wanted()), "utf-8")
    temporary.replace(STAMP)
    _say(f"Packages are ready ({time.monotonic() - began:.0f} s).")


def _make_venv() -> bool:
    """Create `.venv` unless a usable one of this place is there; says whether it holds its own pip."""
    moved = _stamp().get("root", str(ROOT)) != str(ROOT)
    if not moved and _works([PYTHON, "-m", "pip", "--version"]):
        return True
    if VENV.exists():
        shutil.rmtree(VENV)
    if _works([sys.executable, "-c", "import venv, ensurepip"]):
        _run([sys.executable, "-m", "venv", VENV], "creating .venv failed")
        return True
    if _works([sys.executable, "-c", "import venv"]) and _works([sys.executable, "-m", "pip", "--version"]):
        _run([sys.executable, "-m", "venv", "--without-pip", VENV], "creating .venv failed")
        return False
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    raise BootstrapError(
        "this Python has neither `ensurepip` nor `pip`, so packages cannot be installed.\n"
        f"On Debian or Ubuntu: apt install python{version}-venv"
    )


def _works(command: list[str | Path]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, env=_environment()).returncode == 0
    except OSError:
        return False


def _run(command: list[str | Path], problem: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=2, check=False, env=_environment())
    if done.returncode != 0:
        raise BootstrapError(f"{problem} (see the lines above).")


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}


def source_folders() -> list[Path]:
    """Where our own packages lie, in the order Python searches them."""
    return [ROOT / "shared" / "src", *sorted(ROOT.glob("services/*/src")), ROOT]


def _write_paths() -> None:
    """Make our packages importable in `.venv`, also after a service was added or the folder moved."""
    wanted = "".join(f"{folder}\n" for folder in source_folders())
    for packages in VENV.glob("lib/python*/site-packages"):
        listing = packages / "tidings.pth"
        if not listing.is_file() or listing.read_text("utf-8") != wanted:
            temporary = packages / f".tidings.{os.getpid()}"
            temporary.write_text(wanted, "utf-8")
            temporary.replace(listing)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        prepare()
    except BootstrapError as error:
        sys.exit(str(error))
