"""The least that nats-py can do: publish, fetch, plain ack, a result that nobody stores."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import RetentionPolicy

from benchmarks.contenders import roles

TASKS = "raw.task.noop"
RESULTS = "raw.result"
decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode


async def worker(url: str) -> None:
    """Fetches batches and answers each message with a core publish and a plain ack."""
    nc = await _connect(url)
    tasks = await nc.jetstream().pull_subscribe(f"{TASKS}.*", durable="raw", stream="RAW_TASKS")
    while True:
        with suppress(TimeoutError):  # its own is one too, and it lets the plain one through
            for msg in await tasks.fetch(roles.IN_FLIGHT, timeout=1):
                await nc.publish(f"{RESULTS}.{msg.subject.rpartition('.')[2]}", _noop(msg.data))
                await msg.ack()


@asynccontextmanager
async def client(url: str) -> AsyncIterator[roles.RunOne]:
    """Publishes with a PubAck and waits on one wildcard subscription for all results."""
    nc = await _connect(url)
    js, numbers = nc.jetstream(), count()
    waiting: dict[str, asyncio.Future[bytes]] = {}

    async def on_result(msg: Msg) -> None:
        waiting.pop(msg.subject.rpartition(".")[2]).set_result(msg.data)

    await nc.subscribe(f"{RESULTS}.*", cb=on_result)
    loop = asyncio.get_running_loop()

    async def run_one() -> None:
        token = str(next(numbers))
        waiting[token] = result = loop.create_future()
        await js.publish(f"{TASKS}.{token}", roles.BODY)
        assert decode(await result) == roles.PAYLOAD

    yield run_one
    await nc.close()


def _noop(body: bytes) -> bytes:
    return encode(decode(body))


async def _connect(url: str) -> Client:
    nc = await nats.connect(url)
    await nc.jetstream().add_stream(
        name="RAW_TASKS", subjects=[f"{TASKS}.*"], retention=RetentionPolicy.WORK_QUEUE
    )
    return nc


if __name__ == "__main__":
    roles.main(worker, client)
