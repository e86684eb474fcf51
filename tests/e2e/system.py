"""The running system as a customer meets it: the public door, the mailbox, and a hand on its processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from demo.account import verification_token
from demo.client import Gateway, MailCatcher, wait_for
from deploy.local.outside import Outside
from deploy.local.stack import Stack
from shared.testing.databases import ROLE_SECRET, ensure_template, fresh_database

T = TypeVar("T")
#: Enough for every test's tenant, few enough for one test to reach.
RATE_LIMIT = 400
SEND_CONNECTIONS, SEND_WINDOW = 2, 25
PATIENCE = 60.0
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "USER")


@dataclass
class Customer:
    """A tenant's owner, signed in."""

    gateway: Gateway
    email: str
    password: str
    refresh_token: str

    @property
    def tenant(self) -> str:
        return self.gateway.tenant_id


class System:
    """One running installation. It expects outside systems at ports where a test may start simulators."""

    def __init__(self, stack: Stack, outside: Outside) -> None:
        self.stack = stack
        self.outside = outside
        self.url = stack.gateway_url
        self.mails = MailCatcher(stack.mailcatcher_url)
        self.http = httpx.Client(base_url=self.url, timeout=30)
        self._gateways: list[Gateway] = []

    def close(self) -> None:
        self.mails.close()
        self.http.close()
        for gateway in self._gateways:
            gateway.close()

    def gateway(self) -> Gateway:
        """A new caller of the public door, not signed in."""
        gateway = Gateway(self.url)
        self._gateways.append(gateway)
        return gateway

    def sign_up(self) -> Customer:
        """A new tenant under an address nobody has used."""
        email = f"owner-{secrets.token_hex(6)}@example.com"
        password = secrets.token_urlsafe(18)
        gateway = self.gateway()
        body = {"tenant_name": "Test Nursery", "email": email, "password": password}
        signed_in = gateway.post("/auth/register", body)
        gateway.sign_in(signed_in["tenant"]["id"], signed_in["tokens"]["access_token"])
        return Customer(gateway, email, password, signed_in["tokens"]["refresh_token"])

    def verification_token(self, email: str) -> str:
        """The token out of the mail that confirms an address, once that has come."""
        [mail] = self.wait(lambda: self.mails.after(0, to=email), lambda mails: len(mails) == 1, "the mail")
        return verification_token(self.mails.text(int(mail["id"])))

    def prove(self, customer: Customer) -> None:
        """The owner follows the link in the mail: only who has proven the address sends."""
        customer.gateway.post("/auth/verify-email", {"token": self.verification_token(customer.email)})
        known = {"email": customer.email, "password": customer.password}
        signed_in = customer.gateway.post("/auth/login", known)
        customer.gateway.sign_in(signed_in["tenant"]["id"], signed_in["tokens"]["access_token"])

    def wait(self, look: Callable[[], T], done: Callable[[T], bool], what: str) -> T:
        """Look until done, while dead processes are started again as the supervisor does."""

        def tend_and_look() -> T:
            self.stack.tend()
            return look()

        return wait_for(tend_and_look, done, what=what, seconds=PATIENCE, every=0.1)

    def signal(self, process: str, number: signal.Signals) -> None:
        """Send a signal to all processes of a service, or to the mail catcher."""
        self.stack.process(process).signal(number)

    def kill(self, service: str) -> None:
        """SIGKILL; nothing starts it again before the next `wait`."""
        process = self.stack.process(service)
        process.signal(signal.SIGKILL)
        wait_for(
            lambda: process.pid, lambda pid: pid is None, what=f"end of {service}", seconds=5, every=0.02
        )

    def wait_ready(self, service: str) -> None:
        self.wait(self.stack.process(service).is_ready, bool, f"{service} to be ready")

    def import_contacts(self, customer: Customer, csv: str, tags: str) -> dict[str, Any]:
        """Import a file and wait until it is in."""
        path = f"/api/v2/contacts/{customer.tenant}"
        files = {"file": ("contacts.csv", csv.encode(), "text/csv")}
        accepted = customer.gateway.send("POST", f"{path}/import", files=files, data={"tags": tags})
        import_id = accepted.json()["data"]["import_id"]
        return self.wait(
            lambda: customer.gateway.get(f"{path}/imports/{import_id}"),
            lambda seen: seen["status"] == "completed",
            "the import",
        )


@contextlib.contextmanager
def database() -> Iterator[str]:
    """An administrator's address of a migrated database of our own."""
    with asyncio.Runner() as runner:
        context = fresh_database(runner.run(ensure_template()))
        dsn = runner.run(context.__aenter__())
        try:
            yield dsn
        finally:
            runner.run(context.__aexit__(None, None, None))


@contextlib.contextmanager
def running_system(state: Path, events_url: str, **settings: str) -> Iterator[System]:
    """A whole installation below `state`, on free ports, with events over `events_url`.

    `settings` replace those of the tests.
    """
    inherited = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    outside = Outside.anywhere()
    with database() as dsn:
        environment = inherited | {
            "PYTHON_ENV": "test",
            "LOG_LEVEL": "warning",
            "DATABASE_URL": dsn,
            "DATABASE_ROLE_SECRET": ROLE_SECRET,
            "EVENTS_URL": events_url,
            # A broker that is given to us may serve others too.
            "EVENTS_NAMESPACE": f"e2e_{secrets.token_hex(4)}",
            "RATE_LIMIT_REQUESTS": str(RATE_LIMIT),
            "REQUIRE_VERIFIED_EMAIL": "true",
            # So that the jobs of a killed process are rescued while a test waits.
            "JOB_LEASE_SECONDS": "5",
            **outside.settings(),
            "SEND_LEASE_SECONDS": "3",
            "SEND_BATCH": "50",
            "SEND_CONNECTIONS": str(SEND_CONNECTIONS),
            "SEND_WINDOW": str(SEND_WINDOW),
            **settings,
        }
        with (
            Stack(state, environment=environment) as stack,
            contextlib.closing(System(stack, outside)) as system,
        ):
            yield system
