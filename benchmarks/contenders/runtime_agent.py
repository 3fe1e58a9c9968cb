"""The agent of the runtime benchmark: it speaks, asks and waits when it is told to.

Times are of the monotonic clock, which all processes of a machine share.
"""

import asyncio
import os
import time
from collections import defaultdict

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from pepperpy import Agent, Context

GO, BARE = "bench.go", "bench.bare"
agent = Agent("bench", version="1.0.0")


class Plain:
    """A connection of the library below, in the worker's process."""

    def __init__(self) -> None:
        self.connection = Client()
        self._told: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(0))

    async def open(self) -> None:
        """Connects, and listens to who says go."""
        self.connection = await nats.connect(os.environ["PEPPERPY_NATS_URL"])
        await self.connection.subscribe(f"{GO}.*", cb=self._hear)
        await self.connection.flush()

    async def told(self, task_id: str) -> None:
        """Waits until somebody says go to a task."""
        await self._told[task_id].acquire()

    async def _hear(self, message: Msg) -> None:
        self._told[message.subject.rpartition(".")[2]].release()


plain = Plain()


@agent.on_start
async def start() -> None:
    """Connects."""
    await plain.open()


@agent.on_stop
async def stop() -> None:
    """Disconnects."""
    await plain.connection.close()


@agent.task("speak")
async def speak(_: None, ctx: Context) -> None:
    """Streams the time when told to, then publishes it plainly when told to again."""
    await plain.told(ctx.task_id)
    await ctx.stream(str(time.monotonic_ns()))
    await plain.told(ctx.task_id)
    await plain.connection.publish(BARE, str(time.monotonic_ns()).encode())


@agent.task("ask")
async def ask(_: None, ctx: Context) -> int:
    """Asks, and returns when it had the answer."""
    await ctx.ask("Go on?", choices=["yes", "no"])
    return time.monotonic_ns()


@agent.task("parent")
async def parent(children: int, ctx: Context) -> int:
    """Returns how many nanoseconds passed from the first child's submission to all results."""
    ids = [await ctx.submit("child", time.monotonic_ns()) for _ in range(children)]
    began = await ctx.gather(*ids)
    return int(time.monotonic_ns() - min(began))


@agent.task("child")
async def child(submitted: int) -> int:
    """Gives back when it was submitted."""
    return submitted


@agent.task("patient-parent")
async def patient_parent(_: None, ctx: Context) -> int:
    """Returns how many nanoseconds after its child's end it went on, having been suspended."""
    ended = await ctx.run("slow-child")
    return int(time.monotonic_ns() - ended)


@agent.task("slow-child")
async def slow_child(_: None) -> int:
    """Returns when it ended."""
    await asyncio.sleep(0.05)
    return time.monotonic_ns()


@agent.task("keyed")
async def keyed(work_ms: int) -> int:
    """Returns when it began."""
    began = time.monotonic_ns()
    await asyncio.sleep(work_ms / 1e3)
    return began
