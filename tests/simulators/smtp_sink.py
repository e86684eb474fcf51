"""A mail server for tests: a real process that records every message and misbehaves on demand.

`python -m tests.simulators.smtp_sink --record FILE [--behaviour JSON]` listens on a free port of 127.0.0.1
and prints it. A message is in FILE (one JSON object a line) before it is answered, so a kill of either side
loses no evidence.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any, Literal

Stage = Literal["mail", "rcpt", "data", "content"]
Action = Literal["reply", "drop", "stall", "take_and_drop", "take_and_stall"]


@dataclass(frozen=True)
class Fault:
    """What to do at `stage` for recipients that match `match`, the first `times` times (0: always).

    At `mail` it is the sender that has to match.
    `take_*`: the message is recorded as taken, then no answer is given.
    """

    match: str
    stage: Stage
    action: Action = "reply"
    reply: str = "451 4.7.1 try again later"
    times: int = 0


@dataclass(frozen=True)
class Behaviour:
    """`delay`: seconds before each content is answered; `cap`: messages until the server says 421.

    `utf8`: it offers SMTPUTF8 and takes addresses beyond ASCII from who asks for it.
    """

    faults: tuple[Fault, ...] = ()
    pipelining: bool = True
    delay: float = 0.0
    cap: int = 0
    utf8: bool = False

    @classmethod
    def from_json(cls, text: str) -> Behaviour:
        raw: dict[str, Any] = json.loads(text)
        faults = tuple(Fault(**fault) for fault in raw.pop("faults", ()))
        return cls(faults=faults, **raw)


class DropError(Exception):
    """The connection ends here, without a word."""


@dataclass
class Sink:
    """All connections of one server."""

    behaviour: Behaviour
    record: Path
    _hits: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._file = os.open(self.record, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(self, reader, writer)
        try:
            await session.run()
        except (DropError, ConnectionError):
            writer.transport.abort()
        except EOFError:
            await writer.drain()
        finally:
            writer.close()

    def fault(self, stage: Stage, recipient: str) -> Fault | None:
        for fault in self.behaviour.faults:
            if fault.stage == stage and re.search(fault.match, recipient):
                key = (recipient, f"{fault.match}|{stage}")
                self._hits[key] += 1
                if not fault.times or self._hits[key] <= fault.times:
                    return fault
        return None

    def take(self, sender: str, recipient: str, content: bytes) -> None:
        headers = BytesHeaderParser().parsebytes(content)
        line = {
            "sender": sender,
            "recipient": recipient,
            "message_id": headers["Message-ID"],
            "repeat": headers["X-Tidings-Repeat"],
            "campaign": headers["X-Campaign-Id"],
            "content": content.decode("utf-8", "replace") if len(content) < 20_000 else "",
        }
        os.write(self._file, json.dumps(line).encode() + b"\n")


class Session:
    """One connection."""

    def __init__(self, sink: Sink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._sink = sink
        self._reader = reader
        self._writer = writer
        self._sender = ""
        self._recipient = ""
        self._utf8 = False
        self._taken = 0

    async def run(self) -> None:
        self._say("220 sink.example.com ESMTP")
        while line := await self._reader.readline():
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            match verb.upper():
                case "EHLO":
                    extra = ["PIPELINING"] if self._sink.behaviour.pipelining else []
                    extra += ["SMTPUTF8"] if self._sink.behaviour.utf8 else []
                    names = ["sink.example.com", *extra, "8BITMIME", "ENHANCEDSTATUSCODES"]
                    self._lines(names)
                case "MAIL":
                    await self._mail(rest)
                case "RCPT":
                    await self._rcpt(rest)
                case "DATA":
                    await self._data()
                case "RSET":
                    self._reset()
                    self._say("250 2.0.0 reset")
                case "QUIT":
                    self._say("221 2.0.0 bye")
                    return
                case _:
                    self._say("250 2.0.0 ok")

    def _say(self, text: str) -> None:
        self._writer.write(text.encode() + b"\r\n")

    def _lines(self, names: list[str]) -> None:
        for position, name in enumerate(names):
            self._say(f"250{' ' if position == len(names) - 1 else '-'}{name}")

    def _reset(self) -> None:
        self._sender = self._recipient = ""

    async def _mail(self, rest: str) -> None:
        cap = self._sink.behaviour.cap
        if cap and self._taken >= cap:
            self._say("421 4.7.0 too many messages on this connection")
            raise EOFError
        sender = _address(rest)
        if not await self._fault("mail", sender):
            self._sender = sender
            self._utf8 = self._sink.behaviour.utf8 and rest.upper().endswith(" SMTPUTF8")
            self._say("250 2.1.0 ok")

    async def _rcpt(self, rest: str) -> None:
        recipient = _address(rest)
        if not self._sender:
            self._say("503 5.5.1 MAIL first")
        elif not recipient.isascii() and not self._utf8:
            self._say("550 5.1.1 no such user")
        elif not await self._fault("rcpt", recipient):
            self._recipient = recipient
            self._say("250 2.1.5 ok")

    async def _data(self) -> None:
        if not self._recipient:
            self._say("554 5.5.1 no valid recipients")
            return
        if await self._fault("data", self._recipient):
            return
        self._say("354 go on")
        await self._writer.drain()
        content = await self._content()
        sender, recipient = self._sender, self._recipient
        self._reset()
        fault = self._sink.fault("content", recipient)
        if fault and fault.action.startswith("take"):
            self._sink.take(sender, recipient, content)
        if await self._act(fault):
            return
        if self._sink.behaviour.delay:
            await asyncio.sleep(self._sink.behaviour.delay)
        self._sink.take(sender, recipient, content)
        self._taken += 1
        self._say(f"250 2.0.0 queued as {self._taken}")

    async def _content(self) -> bytes:
        lines = []
        while (line := await self._reader.readline()) != b".\r\n":
            if not line:
                raise DropError
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    async def _fault(self, stage: Stage, recipient: str) -> bool:
        return await self._act(self._sink.fault(stage, recipient))

    async def _act(self, fault: Fault | None) -> bool:
        if fault is None:
            return False
        if fault.action.endswith("stall"):
            await self._writer.drain()
            await self._reader.read()
        if fault.action != "reply":
            raise DropError
        self._say(fault.reply)
        return True


def _address(rest: str) -> str:
    match = re.search(r"<([^>]*)>", rest)
    return match.group(1) if match else ""


async def main(record: Path, behaviour: Behaviour, port: int) -> None:
    sink = Sink(behaviour, record)
    server = await asyncio.start_server(sink.serve, "127.0.0.1", port, limit=1 << 20)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--behaviour", default="{}")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.record, Behaviour.from_json(arguments.behaviour), arguments.port))
