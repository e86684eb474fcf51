"""Supervision of the stack's own servers."""

from __future__ import annotations

from pathlib import Path

from deploy.local import stack as stacks
from deploy.local.stack import Stack
from deploy.local.state import LocalStackError


class Server:
    """A server that is up or down; while `fails` it does not start."""

    def __init__(self) -> None:
        self.up, self.fails, self.starts = True, False, 0

    def running(self) -> bool:
        return self.up

    def start(self) -> None:
        self.starts += 1
        if self.fails:
            raise LocalStackError("no space")
        self.up = True


def _stack(folder: Path, server: Server, said: list[str]) -> Stack:
    stack = Stack(folder, say=said.append)
    stack._servers.append(stacks._Server("Postgres", server.running, server.start))
    return stack


def test_dead_server_is_started_again(tmp_path: Path) -> None:
    server, said = Server(), list[str]()
    stack = _stack(tmp_path, server, said)
    stack._tend_servers()
    assert server.starts == 0
    server.up = False
    assert stack._tend_servers() == ["Postgres had ended and was started again"]
    assert server.up


def test_server_that_does_not_start_is_not_tried_all_the_time(tmp_path: Path) -> None:
    server = Server()
    server.up, server.fails = False, True
    stack = _stack(tmp_path, server, [])
    assert stack._tend_servers() == ["Postgres has ended and does not start: no space"]
    assert stack._tend_servers() == []
    assert server.starts == 1
