"""The commands of `run.py`."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from deploy.local.bootstrap import ROOT
from deploy.local.login import demo_login
from deploy.local.options import of_run
from deploy.local.outside import Outside
from deploy.local.postgres import PostgresServer
from deploy.local.process import end_with_parent
from deploy.local.rabbitmq import RabbitServer
from deploy.local.stack import Stack, end_leftovers
from deploy.local.state import LocalStackError, ProcessRef, exclusive, private_dir, read_json


def main(arguments: list[str]) -> int:
    """Exit status: 0 when all went well, the demo's own status, 1 for a problem said in words."""
    options = of_run(arguments)
    options.state = private_dir(Path(os.environ.get("TIDINGS_STATE") or ROOT / ".tidings").resolve())
    # A shell starts background commands with SIGINT ignored; whoever sends it means it.
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    commands = {"up": up, "demo": demo, "status": status, "stop": stop}
    try:
        return commands[options.command](options)
    except LocalStackError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _interrupt(signum: int, frame: FrameType | None) -> None:
    _ignore_signals()
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    """From now on we stop; a second Ctrl-C would leave processes behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def say(line: str = "") -> None:
    """Print a line; a closed terminal must not keep us from stopping in order."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


def up(options: argparse.Namespace) -> int:
    """Start everything and supervise it until Ctrl-C or SIGTERM."""
    with _running(options) as stack:
        _tell(stack)
        login = demo_login(stack.gateway_url, stack.state)
        say(f"  Demo login        {login.email}  {login.password}" if login else "  Demo login        none")
        say("\nCtrl-C stops everything.")
        with contextlib.suppress(KeyboardInterrupt):
            stack.watch()
    return 0


def demo(options: argparse.Namespace) -> int:
    """Play the demo against a stack of our own, the running one, or the one named by --gateway."""
    running, outside = _facts(options.state), Outside(intake=options.intake_port)
    if options.gateway:
        return _play(
            options.gateway, options.mailcatcher or "", "the transport of that installation", outside
        ).wait()
    if running:
        say(f"Playing against the running stack at {running['public_url']}.")
        return _play(running["public_url"], running["mailcatcher_url"], running["events"], outside).wait()
    outside = Outside.anywhere()
    with _running(options, outside.settings()) as stack:
        _tell(stack)
        player = _play(stack.public_url, stack.mailcatcher_url, stack.events, outside)
        try:
            stack.watch(until=lambda: player.poll() is not None)
        finally:
            # Whoever interrupts us may not have told it, and what it plays against is about to end.
            player.terminate()
        return player.wait()


def _play(gateway: str, mailcatcher: str, events: str, outside: Outside) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "deploy.local", "demo", "--gateway", gateway]
    command += ["--mailcatcher", mailcatcher, "--events", events, "--outside", outside.dump()]
    return subprocess.Popen(command, cwd=ROOT, preexec_fn=end_with_parent())


@contextlib.contextmanager
def _running(options: argparse.Namespace, settings: Mapping[str, str] | None = None) -> Any:
    environment = {**os.environ, **(settings or {})}
    stack = Stack(options.state, port=options.port, host=options.host, environment=environment, say=say)
    say("Starting Tidings …")
    began = time.monotonic()
    try:
        stack.start()
        say(f"Ready after {time.monotonic() - began:.1f} s.\n")
        yield stack
    finally:
        _ignore_signals()
        if stack.claimed:
            say("\nStopping …")
            stack.stop()
            say("Stopped.")


def _tell(stack: Stack) -> None:
    say(f"  Public address    {stack.public_url}  (documentation: {stack.public_url}/docs)")
    say(f"  Mail catcher      {stack.mailcatcher_url or 'none: SMTP_URL names a real server'}")
    say(f"  Events            {stack.events}")
    say(f"  Database          {stack.database}")
    say(f"  State and logs    {stack.state}")


def _facts(state: Path) -> dict[str, Any]:
    """What the running supervisor wrote; empty when none runs."""
    content = read_json(state / "run.json")
    supervisor = ProcessRef.load(content.get("supervisor", {}))
    return content if supervisor and supervisor.alive() else {}


def status(options: argparse.Namespace) -> int:
    """Print what runs; exit status 0 when every service is ready, else 1."""
    facts = _facts(options.state)
    if not facts:
        say(f"Tidings does not run from {options.state}.")
        return 1
    say(f"{facts['public_url']} (events: {facts['events']}; database: {facts['database']})")
    ready = {name: _answers(url) for name, url in facts["ready_urls"].items()}
    for name, answer in ready.items():
        say(f"  {name:18}{'ready' if answer else 'not ready'}  {facts['ready_urls'][name]}")
    return 0 if all(ready.values()) else 1


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def stop(options: argparse.Namespace) -> int:
    """Stop the supervisor, and whatever a killed one left behind."""
    supervisor = ProcessRef.load(_facts(options.state).get("supervisor", {}))
    if supervisor:
        supervisor.stop(patience=90)
    with exclusive(options.state / "lock", wait=False) as alone:
        if not alone:
            raise LocalStackError("Tidings is starting from this folder just now; stop it there (Ctrl-C).")
        end_leftovers(options.state)
        servers = (RabbitServer(options.state / "rabbitmq"), PostgresServer(options.state / "postgres"))
        left = [server for server in servers if server.running()]
        for server in left:
            server.stop()
    say("Stopped." if supervisor or left else "Nothing was running.")
    return 0
