"""The control once more, without the library's request machinery: the least it can cost.

The same guarantees as the full loop. Replies to every publish and ack come over one subscription
and plain futures, which costs a third less processor time than `js.publish` and `Msg.ack_sync`.
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

from benchmarks.contenders import roles

TASKS, RESULTS, EVENTS = "tuned.task.noop", "tuned.result", "tuned.event.task.completed.noop"
NEXT = "$JS.API.CONSUMER.MSG.NEXT.TUNED_TASKS.tuned"
PULL_SECONDS, HEARTBEAT_SECONDS = 30, 2
REPLY_SECONDS = 5.0
ALREADY_STORED = 10071
decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode


class PubAck(msgspec.Struct):
    """What the server answers to a publish into a stream."""

    error: dict[str, Any] | None = None
    seq: int = 0
    duplicate: bool = False


pub_ack = msgspec.json.Decoder(PubAck).decode


class Replies:
    """Matches replies to the requests that wait for them."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self._loop = asyncio.get_running_loop()
        self._prefix = nc.new_inbox() + "."
        self._waiting: dict[str, tuple[float, asyncio.Future[Msg]]] = {}
        self._numbers = count()

    async def start(self) -> None:
        """Subscribes to the inbox and starts to look for replies that are overdue."""
        await self._nc.subscribe(self._prefix + "*", cb=self._on_reply)
        self._expire()

    async def request(
        self, subject: str, body: bytes, headers: dict[str, str] | None = None
    ) -> asyncio.Future[Msg]:
        """Publishes and returns the future reply."""
        token = str(next(self._numbers))
        future: asyncio.Future[Msg] = self._loop.create_future()
        self._waiting[token] = (self._loop.time() + REPLY_SECONDS, future)
        await self._nc.publish(subject, body, reply=self._prefix + token, headers=headers)
        return future

    async def store(self, subject: str, body: bytes, headers: dict[str, str]) -> None:
        """Publishes into a stream and waits until the server has it."""
        answer = pub_ack((await (await self.request(subject, body, headers))).data)
        if answer.error is not None and answer.error.get("err_code") != ALREADY_STORED:
            raise RuntimeError(answer.error)

    async def _on_reply(self, msg: Msg) -> None:
        _, future = self._waiting.pop(msg.subject[len(self._prefix) :])
        if not future.done():
            future.set_result(msg)

    def _expire(self) -> None:
        now = self._loop.time()
        for token, (deadline, future) in list(self._waiting.items()):
            if deadline > now:
                break
            del self._waiting[token]
            future.set_exception(TimeoutError(token))
        self._loop.call_later(1, self._expire)


class Worker:
    """One continuous pull; as many tasks at once as there are slots."""

    def __init__(self, nc: Client, slots: int) -> None:
        self._nc = nc
        self._slots = self._free = slots
        self._replies = Replies(nc)
        self._inbox = nc.new_inbox()
        self._running: set[asyncio.Task[None]] = set()
        self._heard = asyncio.get_running_loop().time()

    async def serve(self) -> None:
        """Asks for as many tasks as there are slots, again whenever the pull went silent."""
        await self._replies.start()
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
        await self._replies.store(
            f"{RESULTS}.{token}",
            encode({"ok": True, "data": data}),
            {"Nats-Msg-Id": f"{token}:r:1", "Nats-Expected-Last-Subject-Sequence": "0"},
        )
        confirmed = await self._replies.request(msg.reply, b"+ACK")
        await self._nc.publish(
            f"{EVENTS}.{token}",
            encode({"id": token, "attempt": 1}),
            headers={"Nats-Msg-Id": f"{token}:completed"},
        )
        await confirmed


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
    replies = Replies(nc)
    await replies.start()
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
        await replies.store(f"{TASKS}.{token}", roles.BODY, {"Nats-Msg-Id": token})
        assert decode(await result)["data"] == roles.PAYLOAD

    yield run_one
    await nc.close()


async def _connect(url: str) -> Client:
    nc = await nats.connect(url)
    js = nc.jetstream()
    await js.add_stream(
        name="TUNED_TASKS", subjects=[f"{TASKS}.*"], retention=RetentionPolicy.WORK_QUEUE
    )
    await js.add_stream(name="TUNED_RESULTS", subjects=[f"{RESULTS}.*"], max_msgs_per_subject=1)
    await js.add_stream(name="TUNED_EVENTS", subjects=[f"{EVENTS}.*"])
    await js.add_consumer(
        "TUNED_TASKS",
        ConsumerConfig("tuned", ack_policy=AckPolicy.EXPLICIT, max_ack_pending=10_000),
    )
    return nc


if __name__ == "__main__":
    roles.main(worker, client)
