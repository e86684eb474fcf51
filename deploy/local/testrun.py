"""What `run_tests.py` does once the packages are there: servers for the run, then pytest."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from deploy.local import containers
from deploy.local.bootstrap import ROOT
from deploy.local.options import of_tests
from deploy.local.postgres import PostgresServer
from deploy.local.process import end_with_parent
from deploy.local.rabbitmq import RabbitServer, find_server
from deploy.local.state import LocalStackError, exclusive, private_dir

NO_BROKER = (
    "RabbitMQ: not available (no EVENTS_URL, rabbitmq-server is not installed, Docker does not answer); "
    "tests marked `rabbitmq` will be skipped, every bus test still runs on Postgres."
)
CHROMIUM = "/usr/bin/chromium"
_NOTHING_FOUND = 5
_MOST_WORKERS = 4
_SYSTEM_WORKERS = 2
NO_REDIS = (
    "Redis: not available (no TEST_REDIS_URL, redis-server is not installed); its tests will be skipped."
)
NO_BROWSER = "Chromium: not available ({path} is not there); tests marked `chromium` will be skipped."


@dataclass
class Servers:
    """Servers of one run; `close()` stops those that this run started."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    exits: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def provide_postgres(self) -> None:
        """Set TEST_POSTGRES_DSN: given, else bundled or installed, else a container."""
        given = os.environ.get("TEST_POSTGRES_DSN") or os.environ.get("DATABASE_URL")
        if given:
            self._have("TEST_POSTGRES_DSN", given, "Postgres: the given server")
            return
        if not containers.asked_for():
            server = PostgresServer(self.folder / "postgres", durable=False)
            self.exits.callback(server.stop)
            try:
                dsn = server.start()
            except LocalStackError:
                if not containers.available():
                    raise
            else:
                self._have("TEST_POSTGRES_DSN", dsn, f"Postgres: {server.label}, started for this run")
                return
        dsn = self.exits.enter_context(containers.postgres())
        self._have("TEST_POSTGRES_DSN", dsn, "Postgres: in a container")

    def provide_rabbitmq(self) -> None:
        """Set TEST_AMQP_URL when there is any way to a broker, else note that there is none."""
        given = os.environ.get("TEST_AMQP_URL") or os.environ.get("EVENTS_URL", "")
        if given.startswith("amqp"):
            self._have("TEST_AMQP_URL", given, "RabbitMQ: the given server")
        elif find_server() and not containers.asked_for():
            server = RabbitServer(self.folder / "rabbitmq")
            self.exits.callback(server.stop)
            self._have(
                "TEST_AMQP_URL", server.start(), "RabbitMQ: the installed server, started for this run"
            )
        elif containers.available():
            url = self.exits.enter_context(containers.rabbitmq())
            self._have("TEST_AMQP_URL", url, "RabbitMQ: in a container")
        else:
            self.notes.append(NO_BROKER)

    def look_for_redis(self) -> None:
        """Set TEST_REDIS_URL, or TEST_REDIS_SERVER to the program; else note that there is neither."""
        if url := os.environ.get("TEST_REDIS_URL"):
            self._have("TEST_REDIS_URL", url, "Redis: the given server")
        elif program := shutil.which("redis-server"):
            self._have("TEST_REDIS_SERVER", program, f"Redis: {program}, started by the tests of it")
        else:
            self.notes.append(NO_REDIS)

    def look_for_chromium(self) -> None:
        """Set FIENTA_CHROMIUM when the browser is there, else note that it is not."""
        path = os.environ.get("FIENTA_CHROMIUM") or CHROMIUM
        if os.access(path, os.X_OK):
            self._have("FIENTA_CHROMIUM", path, f"Chromium: {path}")
        else:
            self.notes.append(NO_BROWSER.format(path=path))

    def _have(self, name: str, value: str, note: str) -> None:
        self.settings[name] = value
        self.notes.append(note)

    def close(self) -> None:
        self.exits.close()


def main(arguments: list[str]) -> int:
    """Exit status: pytest's own, or 2 when the run could not be prepared."""
    options, extra = of_tests(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        with _servers(options.tier) as servers:
            for note in servers.notes:
                print(note, flush=True)
            missing = _missing(servers.settings) if options.tier != "unit" else []
            for line in missing:
                print(line, file=sys.stderr)
            if missing:
                return 2
            return _pytest(options, extra, servers.settings)
    except LocalStackError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which reaches us alone; Ctrl-C reaches pytest as well."""


def _interrupt(signum: int, frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise _Terminated if signum == signal.SIGTERM else KeyboardInterrupt


def _missing(settings: dict[str, str]) -> list[str]:
    """What must be here and is not, a line each."""
    required = {
        "RabbitMQ": {"TEST_AMQP_URL"},
        "Redis": {"TEST_REDIS_URL", "TEST_REDIS_SERVER"},
        "Chromium": {"FIENTA_CHROMIUM"},
    }
    return [
        f"{name} is required here (CI or TIDINGS_REQUIRE_{name.upper()}=1)."
        for name, ways in required.items()
        if not ways & settings.keys() and _is_required(f"TIDINGS_REQUIRE_{name.upper()}")
    ]


def _is_required(variable: str) -> bool:
    return any(os.environ.get(name, "").lower() in ("1", "true", "yes") for name in (variable, "CI"))


@contextlib.contextmanager
def _servers(tier: str) -> Iterator[Servers]:
    """Servers for the tier, with clean data; a run beside another one gets a folder of its own."""
    state = Path(os.environ.get("TIDINGS_STATE") or ROOT / ".tidings")
    usual = private_dir(state / "tests")
    with exclusive(usual / "lock", wait=False) as alone, contextlib.ExitStack() as exits:
        folder = (
            _usual_folder(usual) if alone else Path(tempfile.mkdtemp(prefix="tidings-tests-", dir=_fastest()))
        )
        _clear(folder)
        exits.callback(_clear, folder)
        servers = Servers(folder)
        exits.callback(servers.close)
        if tier != "unit":
            servers.provide_postgres()
            servers.provide_rabbitmq()
            servers.look_for_redis()
            servers.look_for_chromium()
        yield servers


def _fastest() -> Path | None:
    """Memory where there is plenty: a test database is copied there in 20 ms, on a disk in 450."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 * 2**30
    return memory if roomy else None


def _usual_folder(state: Path) -> Path:
    """The folder of this checkout's test servers, the same at every run so that leftovers are found."""
    memory = _fastest()
    name = hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:12]
    return memory / f"tidings-tests-{os.getuid()}-{name}" if memory else state / "servers"


def _clear(folder: Path) -> None:
    """Stop what an interrupted run left in `folder`, and remove it."""
    PostgresServer(folder / "postgres", durable=False).remove()
    RabbitServer(folder / "rabbitmq").stop()
    shutil.rmtree(folder, ignore_errors=True)


def _pytest(options: argparse.Namespace, extra: list[str], settings: dict[str, str]) -> int:
    """Run the tiers asked for; 0 when every test that was found has passed."""
    results = []
    for arguments in _runs(options.tier, extra):
        results.append(_one_run([*["-v"] * options.verbose, *arguments, *extra], settings))
        if results[-1] not in (0, 1, _NOTHING_FOUND):
            return results[-1]
    if all(result == _NOTHING_FOUND for result in results):
        return _NOTHING_FOUND
    return max(result for result in results if result != _NOTHING_FOUND)


def _runs(tier: str, extra: list[str]) -> list[list[str]]:
    """pytest's arguments, run by run. Each process that tries whole systems starts its own."""
    is_serial = any(word.startswith(("-n", "--pdb", "--numprocesses")) for word in extra)
    # One more than processors: tests often wait for a database, a broker or a process.
    most = min((os.cpu_count() or 1) + 1, _MOST_WORKERS)
    # To collect unit tests in each process would take longer than to run them in one.
    workers = {"unit": 0, "integration": most, "not e2e": most, "e2e": _SYSTEM_WORKERS}
    tiers = ("not e2e", "e2e") if tier == "all" else (tier,)
    return [["-m", each, *([] if is_serial else _side_by_side(workers[each]))] for each in tiers]


def _side_by_side(workers: int) -> list[str]:
    """Arguments for so many processes, which take file after file in the order that conftest.py gives."""
    return ["-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"] if workers else []


def _one_run(arguments: list[str], settings: dict[str, str]) -> int:
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=ROOT,
        env=os.environ | settings,
        preexec_fn=end_with_parent(),
    )
    try:
        return process.wait()
    except KeyboardInterrupt as interrupt:
        if isinstance(interrupt, _Terminated):
            process.send_signal(signal.SIGINT)
        return _await_end(process)


def _await_end(process: subprocess.Popen[bytes]) -> int:
    """Give an interrupted pytest time for the ends of its fixtures."""
    for last_word in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(45)
        process.send_signal(last_word)
    return process.wait()
