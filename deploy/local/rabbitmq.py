"""A private RabbitMQ node from the installed server: own ports, own cookie, own name daemon, own folders."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

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

USER = "tidings"
START_SECONDS = 90


def find_server() -> Path | None:
    """The start script that stays with the current user, or None when RabbitMQ is not installed.

    Debian's /usr/sbin/rabbitmq-server switches to its own account, so it is taken only as a pointer.
    """
    direct = [Path("/usr/lib/rabbitmq/bin/rabbitmq-server"), Path("/opt/homebrew/sbin/rabbitmq-server")]
    direct += sorted(
        Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"), reverse=True
    )
    if on_path := shutil.which("rabbitmq-server"):
        target = Path(on_path).resolve()
        if target.name == "rabbitmq-server":
            direct.append(target)
    usable = (path for path in direct if os.access(path, os.X_OK))
    return next(usable, None) if shutil.which("erl") else None


def _name_daemon() -> str | None:
    if found := shutil.which("epmd"):
        return found
    installed = sorted(Path("/usr/lib/erlang").glob("erts-*/bin/epmd"))
    return str(installed[-1]) if installed else None


@dataclass
class RabbitServer:
    """One broker node below `home`."""

    home: Path

    def __post_init__(self) -> None:
        self.home = self.home.resolve()
        self._file = self.home / "server.json"
        self._log = self.home / "console.log"
        self._children: list[subprocess.Popen[bytes]] = []

    def _facts(self) -> dict[str, Any]:
        """What the last start wrote; a copied folder knows nothing of the servers of the original."""
        content = read_json(self._file)
        return content if content.get("home") == str(self.home) else {}

    @property
    def url(self) -> str:
        """AMQP URL of the node as last started."""
        content = self._facts()
        return f"amqp://{USER}:{content['password']}@127.0.0.1:{content['port']}/"

    def running(self) -> ProcessRef | None:
        process = ProcessRef.load(self._facts().get("broker", {}))
        return process if process and process.alive() else None

    def start(self) -> str:
        """Start the node or take over the running one; returns the AMQP URL when it accepts connections.

        Raises LocalStackError when the server is not installed or does not come up.
        """
        for _ in range(3):
            url = self.launch()
            if self.comes_up():
                return url
            self.stop()
        raise LocalStackError(self.failure())

    def launch(self) -> str:
        """Like `start`, but does not wait: the URL answers some seconds later (`comes_up`)."""
        private_dir(self.home)
        program = find_server()
        if program is None:
            raise LocalStackError("rabbitmq-server is not installed")
        if not self.running():
            self.stop()
            self._spawn_node(program)
        return self.url

    def comes_up(self) -> bool:
        """Wait until the launched node accepts connections; False when it ended or takes too long."""
        port = int(self._facts()["port"])
        wait_until(lambda: not self.running() or speaks_amqp(port), START_SECONDS, every=0.1)
        return self.running() is not None and speaks_amqp(port)

    def failure(self) -> str:
        """Why the node is not there, in words and with the end of its log."""
        return f"RabbitMQ did not start; see {self._log}\n{log_tail(self._log)}"

    def _spawn_node(self, program: Path) -> None:
        content = self._facts()
        facts: dict[str, Any] = {
            "home": str(self.home),
            "password": content.get("password") or secrets.token_urlsafe(18),
            "port": free_port(content.get("port")),
            "dist_port": free_port(),
            "names_port": free_port(),
        }
        environment = self._environment(facts)
        names = self._start_names(facts["names_port"], environment)
        broker = self._spawn([str(program), "-noinput"], environment)
        processes = {"names": names.pid if names else None, "broker": broker.pid}
        refs = {key: ref.dump() for key, pid in processes.items() if pid and (ref := ProcessRef.of(pid))}
        write_json(self._file, facts | refs)

    def _start_names(self, port: int, environment: dict[str, str]) -> subprocess.Popen[bytes] | None:
        # Left to itself Erlang starts this daemon detached and never ends it; ours ends with the broker.
        daemon = _name_daemon()
        if daemon is None:
            return None
        process = self._spawn([daemon, "-port", str(port), "-address", "127.0.0.1"], environment)
        wait_until(lambda: process.poll() is not None or answers(port), 10)
        return process

    def _spawn(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._children.append(process)
        return process

    def _environment(self, facts: dict[str, Any]) -> dict[str, str]:
        config = self.home / "rabbitmq.conf"
        self._write_config(config, facts)
        plugins = self.home / "enabled_plugins"
        plugins.write_text("[].\n")
        empty = self.home / "rabbitmq-env.conf"
        empty.touch()
        name = sha256(str(self.home).encode()).hexdigest()[:10]
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("RABBITMQ_", "ERL_", "NOTIFY_SOCKET"))
        }
        return kept | {
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_PORT": str(facts["names_port"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # With a shell the start script replaces itself by the broker, so its process id is ours to keep.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_NODENAME": f"tidings-{name}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(facts["port"]),
            "RABBITMQ_DIST_PORT": str(facts["dist_port"]),
            "RABBITMQ_MNESIA_BASE": str(self.home / "data"),
            "RABBITMQ_LOG_BASE": str(self.home / "log"),
            "RABBITMQ_PID_FILE": str(self.home / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_CONF_ENV_FILE": str(empty),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _write_config(self, path: Path, facts: dict[str, Any]) -> None:
        path.touch(mode=0o600)
        path.write_text(
            f"default_user = {USER}\n"
            f"default_pass = {facts['password']}\n"
            "disk_free_limit.absolute = 50MB\n"
            "log.file.level = warning\n"
            "log.console = true\n"
            "log.console.level = warning\n"
        )

    def stop(self) -> None:
        """Stop the node and its name daemon if they run."""
        content = self._facts()
        for key in ("broker", "names"):
            if process := ProcessRef.load(content.get(key, {})):
                process.stop(signal.SIGTERM, patience=30)
        # An interrupted start may not have written down what it started.
        for child in self._children:
            child.terminate()
            child.wait()
        self._children.clear()


def speaks_amqp(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a broker there answers the AMQP 0-9-1 greeting, which it does only when it is fully up."""
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.settimeout(2)
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            # Frame type 1 (method) on channel 0 is Connection.Start; a refusal repeats the greeting.
            return connection.recv(3) == b"\x01\x00\x00"
    except OSError:
        return False
