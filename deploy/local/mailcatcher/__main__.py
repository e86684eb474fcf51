"""`python -m deploy.local.mailcatcher --dir DIR [--host H] [--smtp-port N] [--http-port N]`"""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

import uvloop
from aiohttp import web

from deploy.local.mailcatcher.http import make_app
from deploy.local.mailcatcher.smtp import SmtpConnection
from deploy.local.mailcatcher.store import MailStore


async def serve(folder: Path, host: str, smtp_port: int, http_port: int) -> None:
    """Catch mails until SIGTERM or SIGINT."""
    store = MailStore(folder)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    smtp = await loop.create_server(lambda: SmtpConnection(store), host, smtp_port, backlog=512)
    runner = web.AppRunner(make_app(store), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, http_port).start()
    await stop.wait()
    smtp.close()
    await runner.cleanup()
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.mailcatcher")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--smtp-port", type=int, default=1025)
    parser.add_argument("--http-port", type=int, default=8025)
    options = parser.parse_args()
    uvloop.run(serve(options.dir, options.host, options.smtp_port, options.http_port))


if __name__ == "__main__":
    main()
