"""Watchers of a task in one process: so many follow it, and so many hear a bare publish.

Reads one order a line, `TASK_ID WATCHERS`; answers with three lines: that all watch, how long the
first piece took to each, and how long the bare publish did, in milliseconds.
"""

import asyncio
import json
import sys
import time

import nats
from nats.aio.client import Client as RawClient
from nats.aio.msg import Msg

from benchmarks.contenders import roles
from benchmarks.contenders.runtime_agent import BARE
from pepperpy import Client, connect

OPENED = "$JS.EVENT.ADVISORY.CONSUMER.CREATED.PP_TOKENS.*"
SETTLE_SECONDS = 0.05


class Watchers:
    """The watchers, on one connection each way."""

    def __init__(self, bus: Client, raw: RawClient) -> None:
        self._bus = bus
        self._raw = raw
        self._opened = asyncio.Semaphore(0)

    async def listen(self) -> None:
        """Hears when the broker has made a reader of live output."""
        await self._raw.subscribe(OPENED, cb=self._on_opened)
        await self._raw.flush()

    async def obey(self, task_id: str, count: int) -> None:
        """Carries out one order."""
        first: asyncio.Queue[float] = asyncio.Queue()
        bare: asyncio.Queue[float] = asyncio.Queue()

        async def on_bare(message: Msg) -> None:
            bare.put_nowait(_since(message.data.decode()))

        heard = [await self._raw.subscribe(BARE, cb=on_bare) for _ in range(count)]
        async with asyncio.TaskGroup() as watching:
            for n in range(count):
                watching.create_task(self._watch(task_id, first), name=f"watcher-{n}")
            for _ in range(count):
                await self._opened.acquire()
            await asyncio.sleep(SETTLE_SECONDS)
            _say(watching=count)
            _say(first=[await first.get() for _ in range(count)])
            _say(bare=[await bare.get() for _ in range(count)])
        for subscription in heard:
            await subscription.unsubscribe()

    async def _on_opened(self, _: Msg) -> None:
        self._opened.release()

    async def _watch(self, task_id: str, first: "asyncio.Queue[float]") -> None:
        async for update in self._bus.watch(task_id):
            if update.token is not None and not update.token.end:
                first.put_nowait(_since(update.token.t))


def _say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def _since(nanoseconds: str) -> float:
    return (time.monotonic_ns() - int(nanoseconds)) / 1e6


async def watch(url: str) -> None:
    """Answers orders until standard input is closed."""
    loop = asyncio.get_running_loop()
    raw = await nats.connect(url)
    async with connect(url) as bus:
        watchers = Watchers(bus, raw)
        await watchers.listen()
        _say(ready=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            task_id, count = line.split()
            await watchers.obey(task_id, int(count))
    await raw.close()


if __name__ == "__main__":
    roles.run(watch(sys.argv[1]))
