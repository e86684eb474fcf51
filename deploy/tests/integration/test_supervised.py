import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.service import Supervised
from deploy.local.state import LocalStackError, free_port, lease_port, wait_until

SERVER = """
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
print("serving", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Supervised]:
    port = free_port()
    command = [sys.executable, "-c", SERVER, str(port)]
    url = f"http://127.0.0.1:{port}/ready"
    service = Supervised("example", command, dict(os.environ), tmp_path / "logs" / "example.log", url)
    try:
        yield service
    finally:
        service.signal(signal.SIGTERM)
        service.end()


def test_killed_service_is_started_again_after_a_pause(service: Supervised) -> None:
    service.start()
    service.wait_ready()
    assert service.tend() is None
    first = service.pid
    service.signal(signal.SIGKILL)
    assert wait_until(lambda: service.pid is None, 10)
    assert "ended with -9" in (service.tend() or "")
    assert service.tend() is None
    assert wait_until(lambda: "started again" in (service.tend() or ""), 10)
    service.wait_ready()
    assert service.pid != first
    assert service.restarts == 1


def test_service_that_ends_while_starting_is_reported_with_its_log(service: Supervised) -> None:
    service.log.parent.mkdir()
    service.log.write_text("said the last time\n")
    service.command = [sys.executable, "-c", "print('no such setting'); raise SystemExit(3)"]
    service.start()
    with pytest.raises(LocalStackError, match="no such setting") as caught:
        service.wait_ready()
    assert "the last time" not in str(caught.value)


def test_readiness_of_a_stranger_on_the_port_does_not_count(service: Supervised) -> None:
    service.start()
    service.wait_ready()
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    other = Supervised("other", sleeper, dict(os.environ), service.log, service.ready_url)
    other.start()
    assert not other.is_ready()
    assert service.is_ready()
    other.signal(signal.SIGKILL)
    other.end()


def test_children_of_a_service_end_with_it(service: Supervised) -> None:
    child = "import subprocess, time; subprocess.Popen(['sleep', '600']); time.sleep(600)"
    service.command = [sys.executable, "-c", child]
    service.start()
    process = psutil.Process(service.pid)
    assert wait_until(lambda: bool(process.children()), 10)
    [sleeper] = process.children()
    service.signal(signal.SIGKILL)
    service.end()
    assert wait_until(lambda: not sleeper.is_running() or sleeper.status() == psutil.STATUS_ZOMBIE, 10)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends orphans on Linux only")
def test_service_dies_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    script = f"""
import os, time
from pathlib import Path
from deploy.local.service import Supervised
s = Supervised("x", ["sleep", "600"], dict(os.environ), Path({str(tmp_path / "x.log")!r}), "http://127.0.0.1:1/")
s.start()
print(s.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        orphan = psutil.Process(int(supervisor.stdout.readline()))
        supervisor.kill()
    assert wait_until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE, 10)


def test_leased_port_goes_to_one_installation_at_a_time() -> None:
    usual = free_port()
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        assert lease_port(usual, first) == usual
        assert lease_port(usual, second) != usual
    with contextlib.ExitStack() as third:
        assert lease_port(usual, third) == usual
