"""What the HTTP benchmarks share: load from wrk or from our own clients, servers, and what they cost."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_SCRIPT = """
local counter, run = 0, "%(run)s"
request = function()
  counter = counter + 1
  local body = string.gsub([[%(body)s]], "@@", run .. "-" .. counter)
  return wrk.format("%(method)s", "%(path)s", {%(headers)s}, body)
end
"""


@dataclass(frozen=True)
class Target:
    """A request to repeat; `@@` in the body is replaced by something new each time."""

    name: str
    port: int
    path: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


@dataclass(frozen=True)
class Result:
    """Rate of one round in requests a second, latencies in milliseconds, `cpu` in microseconds a request.

    The processor time of the server tells its cost also on a machine that is busy with other things.
    """

    rate: float
    p50: float
    p99: float
    requests: int
    failures: int
    cpu: float = 0.0


def options(description: str | None) -> argparse.Namespace:
    """What each of these benchmarks can be told on the command line: `seconds`, `rounds`, `connections`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    return parser.parse_args()


def heading(given: argparse.Namespace, servers: str) -> str:
    """What was measured how; `servers` says what runs on the other side."""
    return (
        f"{machine()}\nLoad: {generator()}, {given.connections} connections, {given.rounds} rounds of"
        f" {given.seconds:.0f} s, medians; {servers}\n"
    )


def generator() -> str:
    return "wrk, 1 thread" if shutil.which("wrk") else "own asyncio clients (wrk is not installed)"


def load(target: Target, *, connections: int, seconds: float) -> Result:
    """Requests as fast as they are answered, over kept-alive connections."""
    if shutil.which("wrk"):
        return _wrk(target, connections, seconds)
    return asyncio.run(_own(target, connections, seconds))


def _wrk(target: Target, connections: int, seconds: float) -> Result:
    headers = ", ".join(f'["{name}"] = "{value}"' for name, value in target.headers)
    values = {"run": os.urandom(4).hex(), "body": target.body, "method": target.method, "path": target.path}
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT % {**values, "headers": headers})
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{round(seconds)}s", "--latency", "-s", script.name]
        output = subprocess.run(
            [*command, f"http://127.0.0.1:{target.port}"], capture_output=True, text=True, check=True
        ).stdout
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    broken = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", output)))
    return Result(
        rate=float(_found(r"Requests/sec:\s+([\d.]+)", output)),
        p50=_milliseconds(_found(r"50%\s+(\S+)", output)),
        p99=_milliseconds(_found(r"99%\s+(\S+)", output)),
        requests=int(_found(r"(\d+) requests in", output)),
        failures=broken + (int(refused[1]) if refused else 0),
    )


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"wrk printed something unexpected:\n{text}")
    return match[1]


def _milliseconds(text: str) -> float:
    match = re.fullmatch(r"([\d.]+)(us|ms|s)", text)
    return float(match[1]) * _UNITS[match[2]] if match else float("nan")


async def _own(target: Target, connections: int, seconds: float) -> Result:
    run, count = os.urandom(4).hex(), iter(range(10**12))
    times: list[float] = []
    failures = 0
    end = time.perf_counter() + seconds

    async def client() -> None:
        nonlocal failures
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        while time.perf_counter() < end:
            began = time.perf_counter()
            writer.write(_request(target, f"{run}-{next(count)}"))
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
            times.append(time.perf_counter() - began)
            failures += not head.startswith((b"HTTP/1.1 2", b"HTTP/1.1 3"))
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    times.sort()
    return Result(
        rate=len(times) / seconds,
        p50=1000 * statistics.median(times),
        p99=1000 * times[int(len(times) * 0.99) - 1],
        requests=len(times),
        failures=failures,
    )


def _request(target: Target, unique: str) -> bytes:
    body = target.body.replace("@@", unique).encode()
    lines = [f"{target.method} {target.path} HTTP/1.1", f"Host: 127.0.0.1:{target.port}"]
    lines += [f"{name}: {value}" for name, value in target.headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextlib.contextmanager
def server(command: Sequence[str], env: dict[str, str], ready: str) -> Iterator[psutil.Process]:
    """A server process, from the first answer of its `ready` address to the end of the block."""
    process = subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.DEVNULL)
    try:
        _wait(ready, process)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with status {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{url} does not answer")


def peak_memory(process: psutil.Process) -> float:
    """Largest resident size so far in MiB, of the process and its present children."""
    return sum(_peak(one.pid) for one in [process, *process.children(recursive=True)])


def _peak(pid: int) -> float:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return psutil.Process(pid).memory_info().rss / 2**20
    return int(_found(r"VmHWM:\s+(\d+)", status.read_text())) / 1024


def rounds(
    targets: Sequence[tuple[Target, psutil.Process]], *, count: int, connections: int, seconds: float
) -> dict[str, Result]:
    """Each target, with the process that serves it, in turn and `count` times; the median of each.

    In turn, so that a disturbance of the machine hits all alike.
    """
    results: dict[str, list[Result]] = {target.name: [] for target, _ in targets}
    for target, _ in targets:
        load(target, connections=connections, seconds=1)
    for _ in range(count):
        for target, process in targets:
            before = _cpu(process)
            result = load(target, connections=connections, seconds=seconds)
            cost = (_cpu(process) - before) / max(result.requests, 1) * 1e6
            results[target.name].append(dataclasses.replace(result, cpu=cost))
    return {
        name: Result(
            rate=statistics.median(r.rate for r in found),
            p50=statistics.median(r.p50 for r in found),
            p99=statistics.median(r.p99 for r in found),
            requests=sum(r.requests for r in found),
            failures=sum(r.failures for r in found),
            cpu=statistics.median(r.cpu for r in found),
        )
        for name, found in results.items()
    }


def _cpu(process: psutil.Process) -> float:
    """Seconds of processor time used so far, with the present children."""
    times = [one.cpu_times() for one in [process, *process.children(recursive=True)]]
    return sum(each.user + each.system for each in times)


def table(results: dict[str, Result], peers: Sequence[str]) -> None:
    """One line a target, with its ratio to each of `peers`."""
    width = max(len(name) for name in results) + 2
    print(
        f"{'':<{width}}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'failed':>8}{'CPU us each':>13}", end=""
    )
    print("".join(f"{'to ' + peer:>26}" for peer in peers))
    for name, result in results.items():
        line = f"{name:<{width}}{result.rate:>12,.0f}{result.p50:>9.2f}{result.p99:>9.2f}{result.failures:>8}"
        line += f"{result.cpu:>13.0f}"
        print(line + "".join(f"{result.rate / results[peer].rate:>26.2f}" for peer in peers))


def machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    busy = os.getloadavg()[0]
    return (
        f"Machine: {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, load {busy:.1f};"
        f" Python {sys.version.split()[0]}"
    )
