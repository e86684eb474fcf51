"""A private PostgreSQL: initialised, started on a free port of 127.0.0.1, reused, stopped."""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deploy.local.postgres_programs import (
    Installation,
    Runner,
    clean_environment,
    give,
    installations,
    make_relocated,
    relocated_folder,
    runners,
)
from deploy.local.state import (
    LocalStackError,
    ProcessRef,
    answers,
    free_port,
    log_tail,
    private_dir,
    read_json,
    wait_until,
    write_json,
)

COMMON_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "300",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",
}
DURABLE_SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "2GB", "wal_compression": "on"}
FAST_SETTINGS = {
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


@dataclass
class PostgresServer:
    """One cluster below `home`. `durable` chooses safe settings; tests trade safety for speed."""

    home: Path
    durable: bool = True
    extra: dict[str, str] = field(default_factory=dict)
    database: str = "postgres"

    def __post_init__(self) -> None:
        self.home = self.home.resolve()
        self.facts = self.home / "server.json"

    @property
    def label(self) -> str:
        return str(read_json(self.facts).get("label", ""))

    @property
    def dsn(self) -> str:
        """The administrator's URL of the server as last started."""
        content = read_json(self.facts)
        address = f"postgres:{content['password']}@127.0.0.1:{content['port']}/{self.database}"
        # Without this each connection first asks whether the server, which has no certificate, speaks TLS.
        return f"postgresql://{address}?sslmode=disable"

    def running(self) -> ProcessRef | None:
        """The postmaster of this cluster, also one that a killed supervisor left behind."""
        return _postmaster(self._data())

    def _data(self) -> Path:
        if read_json(self.facts).get("relocated"):
            return relocated_folder(self.home) / "cluster" / "data"
        return self.home / "data"

    def start(self) -> str:
        """Start the server, or take over the one that runs already; returns the administrator's URL.

        Raises LocalStackError with every attempt's reason when no installation can be started.
        """
        private_dir(self.home)
        if self.running() and answers(int(read_json(self.facts).get("port", 0))):
            return self.dsn
        self.stop()
        reasons: list[str] = []
        for installation in self._candidates():
            for runner in self._runners():
                reason = self._attempt(installation, runner)
                if reason is None:
                    return self.dsn
                reasons.append(f"{installation.label}: {reason}")
        detail = "\n".join(reasons) or "no PostgreSQL program was found (bundled wheel or installed)"
        raise LocalStackError(
            f"PostgreSQL could not be started.\n{detail}\nSet DATABASE_URL to use your own server."
        )

    def _candidates(self) -> Iterator[Installation]:
        """Only installations of the version that made the existing data, if there is data."""
        version = self._data() / "PG_VERSION"
        major = int(version.read_text().strip()) if version.is_file() else None
        return (found for found in installations() if major in (None, found.major))

    def _runners(self) -> Iterator[Runner]:
        """Only ways that lead to the existing data, if there is data."""
        existing = (self._data() / "PG_VERSION").is_file()
        relocated = bool(read_json(self.facts).get("relocated"))
        return (runner for runner in runners() if not existing or runner.relocate == relocated)

    def _attempt(self, installation: Installation, runner: Runner) -> str | None:
        try:
            return _Launch(self, installation, runner).go()
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        except KeyboardInterrupt:
            # pg_ctl may have started a server that is only now writing its pid file.
            wait_until(lambda: self.running() is not None, 2)
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server if it runs: open transactions are rolled back, clients disconnected."""
        if process := self.running():
            process.stop(signal.SIGINT, patience=30)

    def remove(self) -> None:
        """Stop the server and delete its data."""
        self.stop()
        for folder in (self.home, relocated_folder(self.home)):
            shutil.rmtree(folder, ignore_errors=True)


class _Launch:
    """One attempt to bring a cluster up with one installation and one way of not being root."""

    def __init__(self, server: PostgresServer, installation: Installation, runner: Runner) -> None:
        self.server, self.runner, self.installation = server, runner, installation
        self.base = make_relocated(server.home, runner.account) if runner.relocate else server.home
        self.data = self.base / "data"
        self.bin = self._programs()
        self.password = ""

    def _programs(self) -> Path:
        if not (self.runner.relocate and self.installation.bundled):
            return self.installation.bin
        # The bundled programs find their libraries beside their package, so both folders are copied.
        package = self.installation.bin.parent.parent
        copied = self.base / "programs"
        for source in (self.installation.bin.parent, package.with_name(f"{package.name}.libs")):
            target = copied / source.relative_to(package.parent)
            if source.is_dir() and not target.is_dir():
                shutil.copytree(source, target, symlinks=True)
        give(copied, self.runner.account)
        return copied / package.name / self.installation.bin.parent.name / "bin"

    def go(self) -> str | None:
        """None when the server is up, else the reason in words."""
        probe = self.runner.run(
            [
                "sh",
                "-c",
                '"$1" --version && test -w "$2" && test -x "$2"',
                "sh",
                self.bin / "initdb",
                self.base,
            ]
        )
        if probe.returncode != 0:
            return f"cannot run {self.bin / 'initdb'} in {self.base}: {probe.stdout.strip() or 'no access'}"
        self.password = str(read_json(self.server.facts).get("password") or secrets.token_urlsafe(24))
        if not self.data.is_dir() and (reason := self._initialise()):
            return reason
        return self._start()

    def _note(self, port: int) -> None:
        write_json(
            self.server.facts,
            {
                "port": port,
                "password": self.password,
                "relocated": self.runner.relocate,
                "label": self.installation.label,
            },
        )

    def _initialise(self) -> str | None:
        # Only a finished cluster gets its name, and its password is noted before: a start may be cut short.
        unfinished = self.base / "unfinished"
        secret = self.base / "initial-password"
        secret.touch(mode=0o600)
        secret.write_text(self.password)
        give(secret, self.runner.account)
        try:
            for locale in self._locales():
                shutil.rmtree(unfinished, ignore_errors=True)
                done = self.runner.run(
                    [self.bin / "initdb", "-D", unfinished, "-U", "postgres", "-A", "scram-sha-256"]
                    + ["-E", "UTF8", f"--pwfile={secret}", *locale]
                    + ([] if self.server.durable else ["--no-sync"])
                )
                if done.returncode == 0:
                    self._note(port=0)
                    unfinished.rename(self.data)
                    return None
        finally:
            secret.unlink()
        return f"initdb failed: {done.stdout.strip()[-600:]}"

    def _locales(self) -> Iterator[list[str]]:
        if self.installation.major >= 17:
            yield ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        else:
            yield ["--locale=C.UTF-8"]
        yield ["--locale=C"]

    def _start(self) -> str | None:
        port, reason = int(read_json(self.server.facts).get("port", 0)), ""
        for _ in range(5):
            port = free_port(port)
            _forget_foreign_lock(self.data)
            started = self._pg_ctl(port)
            if started.returncode == 0 and _postmaster(self.data):
                self._note(port)
                return self._create_database(port)
            reason = f"{started.stdout.strip()[-300:]}\n{log_tail(self.base / 'postgres.log', 6)}"
            # Processes of a killed server need a moment to notice; another program may have taken the port.
            wait_until(lambda: False, 1)
            port = 0
        return reason

    def _create_database(self, port: int) -> str | None:
        if self.server.database == "postgres":
            return None
        done = subprocess.run(
            [
                self.bin / "createdb",
                "-h",
                "127.0.0.1",
                "-p",
                str(port),
                "-U",
                "postgres",
                self.server.database,
            ],
            env=clean_environment() | {"PGPASSWORD": self.password},
            capture_output=True,
            text=True,
            check=False,
        )
        exists = "already exists" in done.stderr
        return None if done.returncode == 0 or exists else done.stderr.strip()

    def _pg_ctl(self, port: int) -> subprocess.CompletedProcess[str]:
        chosen = DURABLE_SETTINGS if self.server.durable else FAST_SETTINGS
        settings = COMMON_SETTINGS | chosen | self.server.extra | {"port": str(port)}
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        log = ["-l", self.base / "postgres.log"]
        return self.runner.run(
            [self.bin / "pg_ctl", "start", "-w", "-t", "60", "-s", "-D", self.data, *log, "-o", options]
        )


def _postmaster(data: Path) -> ProcessRef | None:
    """The server process of this data folder; None when the pid file is stale or names another program."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        process = psutil.Process(pid)
        command = process.cmdline()
    except (OSError, ValueError, psutil.Error):
        return None
    if command and Path(command[0]).name.startswith("postgres") and str(data) in command:
        return ProcessRef.of(pid)
    return None


def _forget_foreign_lock(data: Path) -> None:
    """Drop a pid file whose number now belongs to some other program.

    PostgreSQL clears the file of a dead server itself, but refuses to start when the number was given away.
    """
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return
    if psutil.pid_exists(pid) and _postmaster(data) is None:
        lock.unlink()
