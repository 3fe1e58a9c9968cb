"""The control: all guarantees of a stored task, written by hand with the library's own means.

Message id and PubAck on submit, one continuous pull with credit for the free slots only, the
result stored create-if-absent with a message id and a PubAck, a confirmed ack, one completed
event in an events stream; waiters share one wildcard subscription. It is what a careful engineer
writes with nats-py: `js.publish`, `Msg.ack_sync`, callback subscriptions. What can still be taken
out of it by going around the library's requests is the tuned loop beside it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any
from uuid import uuid4

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy
from nats.js.client import JetStreamContext
from nats.js.errors import BadRequestError

from benchmarks.contenders import roles

TASKS, RESULTS, EVENTS = "hand.task.noop", "hand.result", "hand.event.task.completed.noop"
NEXT = "$JS.API.CONSUMER.MSG.NEXT.HAND_TASKS.hand"
PULL_SECONDS, HEARTBEAT_SECONDS = 30, 2
ALREADY_STORED = 10071
decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode


class Worker:
    """One continuous pull; as many tasks at once as there are slots."""

    def __init__(self, nc: Client, slots: int) -> None:
        self._nc = nc
        self._js: JetStreamContext = nc.jetstream()
        self._slots = self._free = slots
        self._inbox = nc.new_inbox()
        self._running: set[asyncio.Task[None]] = set()
        self._heard = asyncio.get_running_loop().time()

    async def serve(self) -> None:
        """Asks for as many tasks as there are slots, again whenever the pull went silent."""
        await self._nc.subscribe(self._inbox, cb=self._on_message)
        clock = asyncio.get_running_loop().time
        await self._ask()
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if clock() - self._heard > 2 * HEARTBEAT_SECONDS:
                self._heard = clock()
                self._free = self._slots - len(self._running)
                await self._ask()

    async def _ask(self) -> None:
        if self._free * 2 < self._slots:
            return
        batch, self._free = self._free, 0
        request = {
            "batch": batch,
            "expires": PULL_SECONDS * 10**9,
            "idle_heartbeat": HEARTBEAT_SECONDS * 10**9,
        }
        await self._nc.publish(NEXT, encode(request), reply=self._inbox)

    async def _on_message(self, msg: Msg) -> None:
        self._heard = asyncio.get_running_loop().time()
        if not msg.reply:
            self._free += int((msg.headers or {}).get("Nats-Pending-Messages", 0))
            await self._ask()
            return
        task = asyncio.create_task(self._handle(msg))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _handle(self, msg: Msg) -> None:
        try:
            await self._perform(msg)
        finally:
            self._free += 1
            await self._ask()

    async def _perform(self, msg: Msg) -> None:
        token = msg.subject.rpartition(".")[2]
        data = await noop(decode(msg.data))
        try:
            await self._js.publish(
                f"{RESULTS}.{token}",
                encode({"ok": True, "data": data}),
                headers={
                    "Nats-Msg-Id": f"{token}:r:1",
                    "Nats-Expected-Last-Subject-Sequence": "0",
                },
            )
        except BadRequestError as error:
            if error.err_code != ALREADY_STORED:
                raise
        await msg.ack_sync()
        await self._nc.publish(
            f"{EVENTS}.{token}",
            encode({"id": token, "attempt": 1}),
            headers={"Nats-Msg-Id": f"{token}:completed"},
        )


async def noop(data: dict[str, Any]) -> dict[str, Any]:
    """The task: gives back what it was given."""
    return data


async def worker(url: str) -> None:
    """Serves the noop tasks."""
    await Worker(await _connect(url), roles.IN_FLIGHT).serve()


@asynccontextmanager
async def client(url: str) -> AsyncIterator[roles.RunOne]:
    """Submits with a message id and waits for the stored result."""
    nc = await _connect(url)
    js = nc.jetstream()
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
        await js.publish(f"{TASKS}.{token}", roles.BODY, headers={"Nats-Msg-Id": token})
        assert decode(await result)["data"] == roles.PAYLOAD

    yield run_one
    await nc.close()


async def _connect(url: str) -> Client:
    nc = await nats.connect(url)
    js = nc.jetstream()
    await js.add_stream(
        name="HAND_TASKS", subjects=[f"{TASKS}.*"], retention=RetentionPolicy.WORK_QUEUE
    )
    await js.add_stream(name="HAND_RESULTS", subjects=[f"{RESULTS}.*"], max_msgs_per_subject=1)
    await js.add_stream(name="HAND_EVENTS", subjects=[f"{EVENTS}.*"])
    await js.add_consumer(
        "HAND_TASKS", ConsumerConfig("hand", ack_policy=AckPolicy.EXPLICIT, max_ack_pending=10_000)
    )
    return nc


if __name__ == "__main__":
    roles.main(worker, client)
