import shutil
from collections.abc import Iterator
from pathlib import Path

import aio_pika
import pytest

from deploy.local.rabbitmq import RabbitServer, find_server

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.skipif(find_server() is None, reason="rabbitmq-server is not installed"),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RabbitServer]:
    server = RabbitServer(tmp_path / "a folder" / "rabbitmq")
    try:
        yield server
    finally:
        server.stop()


async def queue_length(url: str, *, publish: bool) -> int:
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        queue = await channel.declare_queue("kept", durable=True)
        if publish:
            message = aio_pika.Message(b"x", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, "kept")
        return int(queue.declaration_result.message_count or 0)


async def test_node_is_private_taken_over_while_it_runs_and_keeps_messages(server: RabbitServer) -> None:
    url = server.start()
    await queue_length(url, publish=True)
    broker = server.running()
    assert RabbitServer(server.home).start() == url
    assert server.running() == broker
    server.stop()
    assert server.running() is None
    assert await queue_length(server.start(), publish=False) == 1


async def test_copied_folder_does_not_touch_the_node_of_the_original(server: RabbitServer) -> None:
    server.start()
    copy = server.home.with_name("copy")
    copy.mkdir()
    shutil.copy(server.home / "server.json", copy)
    RabbitServer(copy).stop()
    assert RabbitServer(copy).running() is None
    assert server.running() is not None
