"""FastStream on JetStream: a durable pull subscriber that publishes a stored result."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Annotated, Any
from uuid import uuid4

import msgspec
from faststream import Context
from faststream.nats import JStream, NatsBroker, PullSub
from nats.aio.msg import Msg
from nats.js.api import RetentionPolicy

from benchmarks.contenders import roles

TASKS, RESULTS = "fs.task.noop", "fs.result"
STREAM = JStream(name="FS_TASKS", subjects=["fs.task.>"], retention=RetentionPolicy.WORK_QUEUE)
decode = msgspec.json.Decoder().decode


async def worker(url: str) -> None:
    """Serves the noop tasks, a hundred at once."""
    broker = _broker(url)

    @broker.subscriber(
        f"{TASKS}.*",
        stream=STREAM,
        durable="fs",
        pull_sub=PullSub(batch_size=roles.IN_FLIGHT, timeout=1),
        max_workers=roles.IN_FLIGHT,
    )
    async def noop(
        data: dict[str, Any], subject: Annotated[str, Context("message.raw_message.subject")]
    ) -> None:
        token = subject.rpartition(".")[2]
        headers = {"Nats-Msg-Id": f"{token}:r", "Nats-Expected-Last-Subject-Sequence": "0"}
        await broker.publish(data, f"{RESULTS}.{token}", stream="FS_RESULTS", headers=headers)

    async with broker:
        await _provision(broker)
        await broker.start()
        await roles.forever()


@asynccontextmanager
async def client(url: str) -> AsyncIterator[roles.RunOne]:
    """Submits through FastStream and waits with one plain wildcard subscription."""
    async with _broker(url) as broker:
        await _provision(broker)
        nc = broker.config.broker_config.connection_state.connection
        prefix, numbers = uuid4().hex[:12], count()
        loop = asyncio.get_running_loop()
        waiting: dict[str, asyncio.Future[bytes]] = {}

        async def on_result(msg: Msg) -> None:
            if future := waiting.pop(msg.subject.rpartition(".")[2], None):
                future.set_result(msg.data)

        await nc.subscribe(f"{RESULTS}.*", cb=on_result)

        async def run_one() -> None:
            token = f"{prefix}-{next(numbers)}"
            waiting[token] = result = loop.create_future()
            await broker.publish(
                roles.PAYLOAD,
                f"{TASKS}.{token}",
                stream=STREAM.name,
                headers={"Nats-Msg-Id": token},
            )
            assert decode(await result) == roles.PAYLOAD

        yield run_one


def _broker(url: str) -> NatsBroker:
    return NatsBroker(url, logger=None)


async def _provision(broker: NatsBroker) -> None:
    js = broker.config.broker_config.connection_state.stream
    await js.add_stream(
        name=STREAM.name, subjects=["fs.task.>"], retention=RetentionPolicy.WORK_QUEUE
    )
    await js.add_stream(name="FS_RESULTS", subjects=[f"{RESULTS}.*"], max_msgs_per_subject=1)


if __name__ == "__main__":
    roles.main(worker, client)
