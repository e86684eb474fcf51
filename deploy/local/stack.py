"""The whole product on this machine: servers, migrations, services; supervised until told to stop."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer, find_server
from deploy.local.service import Supervised
from deploy.local.settings import Settings, load_secrets
from deploy.local.state import (
    LocalStackError,
    ProcessRef,
    exclusive,
    lease_port,
    port_is_free,
    private_dir,
    read_json,
    require_space,
    write_json,
)
from shared.config import SERVICES

GATEWAY = "webhook-gateway"
SMTP_PORT, MAIL_PORT = 1025, 8025
SERVER_PAUSE = 15.0


@dataclass
class _Server:
    """A server of our own; it is not tried again before `due`."""

    name: str
    is_running: Callable[[], object]
    restart: Callable[[], object]
    due: float = 0.0


class Stack:
    """`with Stack(folder) as stack:` starts everything below `folder` and stops it at the end.

    DATABASE_URL (an administrator's login), EVENTS_URL and SMTP_URL in `environment` replace the private
    servers. Must be used from the main thread, or from a thread that lives as long as the stack shall.
    """

    def __init__(
        self,
        state: Path,
        *,
        port: int | None = None,
        host: str = "127.0.0.1",
        environment: Mapping[str, str] = os.environ,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.state = private_dir(state.resolve())
        self.environment = environment
        self.say = say
        self.claimed = False
        self.events = ""
        self.database = ""
        self._host, self._port = host, port
        self._exits = contextlib.ExitStack()
        self._services: dict[str, Supervised] = {}
        self._servers: list[_Server] = []
        self._node: RabbitServer | None = None
        self._stopping = threading.Event()
        self.settings: Settings
        self.mailcatcher_url = ""

    @property
    def gateway_url(self) -> str:
        return self.settings.gateway_url

    @property
    def public_url(self) -> str:
        return self.settings.public_url

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Return when every service is ready. Raises LocalStackError; nothing is left running then."""
        self._claim()
        try:
            require_space(self.state)
            end_leftovers(self.state)
            self._start_servers()
            self._start_services()
            self._remember()
        except BaseException:
            self.stop()
            raise

    def _claim(self) -> None:
        with contextlib.ExitStack() as claim:
            if claim.enter_context(exclusive(self.state / "lock", wait=False)):
                self._exits = claim.pop_all()
                self.claimed = True
                return
        url = read_json(self.state / "run.json").get("public_url")
        words = f"already runs at {url}; `run.py stop` ends it" if url else "is just being started or stopped"
        raise LocalStackError(f"Tidings {words} (state: {self.state}).")

    def _start_servers(self) -> None:
        """Postgres, migrated; the broker is only launched, because it takes the longest of all."""
        events_url = self._broker()
        admin_dsn = self._postgres()
        self.settings = Settings(
            state=self.state,
            secrets=load_secrets(self.state, self.environment),
            admin_dsn=admin_dsn,
            events_url=events_url,
            smtp_url=self._mail(),
            host=self._host,
            ports=self._ports(),
            environment=self.environment,
        )
        self._migrate()

    def _postgres(self) -> str:
        if given := self.environment.get("DATABASE_URL"):
            self.database = "the server of DATABASE_URL"
            return given
        server = PostgresServer(self.state / "postgres", database="tidings")
        self._exits.callback(server.stop)
        dsn = server.start()
        self._servers.append(_Server("Postgres", server.running, server.start))
        self.database = server.label
        return dsn

    def _broker(self) -> str:
        """The address of the event transport; `self.events` then tells which it is and why."""
        given = self.environment.get("EVENTS_URL")
        if given:
            kind = "RabbitMQ" if given.startswith("amqp") else "Postgres"
            self.events = f"{kind} (EVENTS_URL says so)"
            return given
        if find_server() is None:
            self.events = "Postgres (rabbitmq-server is not installed here)"
            return "postgres://"
        server = RabbitServer(self.state / "rabbitmq")
        self._exits.callback(server.stop)
        url = server.launch()
        self._servers.append(_Server("RabbitMQ", server.running, server.launch))
        self._node = server
        self.events = "RabbitMQ (rabbitmq-server is installed; a private node was started)"
        return url

    def _ports(self) -> dict[str, int]:
        if self._port is not None and not port_is_free(self._port):
            raise LocalStackError(
                f"Port {self._port} is taken by another program: choose another --port, or none."
            )
        ports = {service.name: lease_port(service.port, self._exits) for service in SERVICES}
        return ports | ({GATEWAY: self._port} if self._port is not None else {})

    def _mail(self) -> str:
        """Prepare the mail catcher unless SMTP_URL names a real server; the SMTP address."""
        if given := self.environment.get("SMTP_URL"):
            return given
        smtp, http = lease_port(SMTP_PORT, self._exits), lease_port(MAIL_PORT, self._exits)
        self.mailcatcher_url = f"http://127.0.0.1:{http}"
        folder = self.state / "mails"
        command = ["-m", "deploy.local.mailcatcher", "--dir", str(folder)]
        command += ["--smtp-port", str(smtp), "--http-port", str(http)]
        self._add("mail-catcher", command, dict(self.environment), f"{self.mailcatcher_url}/health")
        return f"smtp://127.0.0.1:{smtp}"

    def _add(self, name: str, command: list[str], environment: dict[str, str], ready_url: str) -> None:
        log = self.state / "logs" / f"{name}.log"
        self._services[name] = Supervised(name, [sys.executable, *command], environment, log, ready_url)

    def _migrate(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "shared.database", "migrate"],
            env=self.settings.for_migrations(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            which = " of DATABASE_URL" if self.environment.get("DATABASE_URL") else ""
            words = f"{done.stdout}{done.stderr}".rstrip()
            raise LocalStackError(f"The database{which} could not be migrated:\n{words}")

    def _start_services(self) -> None:
        for service in SERVICES:
            environment = self.settings.for_service(service)
            private_dir(Path(environment["DATA_DIR"]))
            url = f"http://127.0.0.1:{self.settings.ports[service.name]}/ready"
            self._add(service.name, ["-m", service.package], environment, url)
        for process in self._services.values():
            process.start()
        for process in self._services.values():
            process.wait_ready()
        if self._node and not self._node.comes_up():
            raise LocalStackError(self._node.failure())

    def _remember(self) -> None:
        processes = {name: process.pid for name, process in self._services.items()}
        refs = {name: ref.dump() for name, pid in processes.items() if pid and (ref := ProcessRef.of(pid))}
        own = ProcessRef.of(os.getpid())
        write_json(
            self.state / "run.json",
            {
                "supervisor": own.dump() if own else {},
                "processes": refs,
                "ready_urls": {name: process.ready_url for name, process in self._services.items()},
                "gateway_url": self.gateway_url,
                "public_url": self.public_url,
                "mailcatcher_url": self.mailcatcher_url,
                "events": self.events,
                "database": self.database,
            },
        )

    def process(self, name: str) -> Supervised:
        """The process of a service (or `mail-catcher`): to look at its pid or to send it a signal."""
        return self._services[name]

    def tend(self) -> None:
        """One round of supervision: whatever died is started again, after a growing pause."""
        news = self._tend_servers()
        news += [line for process in self._services.values() if (line := process.tend())]
        for line in news:
            self.say(line)
        if news:
            self._remember()

    def _tend_servers(self) -> list[str]:
        """Start servers of ours that have died, at most every `SERVER_PAUSE` seconds; in words."""
        now, news = time.monotonic(), list[str]()
        for server in self._servers:
            if now < server.due or server.is_running():
                continue
            server.due = now + SERVER_PAUSE
            try:
                server.restart()
                news.append(f"{server.name} had ended and was started again")
            except LocalStackError as error:
                news.append(f"{server.name} has ended and does not start: {error}")
        return news

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Supervise until `until()` is true or `request_stop` was called."""
        while not self._stopping.is_set() and not until():
            self.tend()
            time.sleep(0.2)

    def request_stop(self) -> None:
        """Make `watch` return; may be called from a signal handler."""
        self._stopping.set()

    def stop(self) -> None:
        """End services first (the public door before the others), then the servers. Safe to call again."""
        if not self.claimed:
            return
        others = [process for name, process in self._services.items() if name != GATEWAY]
        for group in ([self._services[GATEWAY]] if GATEWAY in self._services else [], others):
            for process in group:
                process.signal(signal.SIGTERM)
            for process in group:
                process.end()
        self._services.clear()
        self._servers.clear()
        (self.state / "run.json").unlink(missing_ok=True)
        self._exits.close()
        self.claimed = False


def end_leftovers(state: Path) -> None:
    """End services that a killed supervisor could not take with it; its servers are taken over instead."""
    for content in dict[str, Any](read_json(state / "run.json").get("processes", {})).values():
        if process := ProcessRef.load(content):
            process.stop(patience=10)
    (state / "run.json").unlink(missing_ok=True)
