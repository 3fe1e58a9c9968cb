"""The shards of one topic, as one worker takes part in them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from itertools import islice
from typing import Final

from pepperpy_agents.sharding.assignment import ShardingOptions
from pepperpy_agents.sharding.ownership import Ownership
from pepperpy_agents.sharding.pulling import PulledShard
from pepperpy_bus.client import Client
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.in_hand import InHand
from pepperpy_bus.streams.pull import Work
from pepperpy_bus.tasks.keys import Keys
from pepperpy_schemas.catalog.sharding import SHARD_CONTROL
from pepperpy_schemas.errors import PepperError

log = get_log("pepperpy.shards")

GATHERING: Final = 0.3
"""Seconds between joining and the first look: workers that start together share from the start."""
MENDED: Final = 100
"""Held keys that are looked at with one heartbeat."""
LEAVING: Final = 5.0
"""Seconds that handing over may take at the end."""


class TopicShards:
    """A worker's part in the shards of a topic while its context is open.

    Args:
        client: The client.
        topic: The topic.
        ownership: Which shards it owns.
        keys: The keys that tasks hold.
        in_hand: Where deliveries are kept alive.
        work: Works on a delivery and settles it.
        options: Gives how the worker takes part, as it is now.
        held: Gives how many keyed tasks the worker has in hand, of all topics.
        owns: Told how many shards it pulls from.
    """

    def __init__(
        self,
        client: Client,
        topic: str,
        ownership: Ownership,
        keys: Keys,
        in_hand: InHand,
        work: Work,
        options: Callable[[], ShardingOptions],
        held: Callable[[], int],
        owns: Callable[[int], None],
    ) -> None:
        self._client = client
        self._topic = topic
        self._ownership = ownership
        self._keys = keys
        self._in_hand = in_hand
        self._work = work
        self._options = options
        self._held = held
        self._owns = owns
        self._pulled: dict[int, PulledShard] = {}
        self._loads: dict[int, float] = {}
        self._measured = 0.0
        self._mended = 0
        self._look = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Takes part; at the end everything is handed to the others."""
        control = SHARD_CONTROL.of(self._client.prefix, topic=self._topic)
        subscription = await self._client.connection.subscribe(control, lambda _: self._look.set())
        name = f"shards-{self._topic}"
        try:
            await self._ownership.join(self._options())
            task = asyncio.create_task(self._run(), name=name)
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await self._leave()
        finally:
            await subscription.stop()

    async def _leave(self) -> None:
        await self._stop(list(self._pulled))
        self._owns(0)
        try:
            async with asyncio.timeout(LEAVING):
                await self._ownership.leave()
        except (PepperError, TimeoutError) as error:
            # The others find out by the missing heartbeats.
            log.warning("shards.not_handed_over", topic=self._topic, error=str(error))

    async def _run(self) -> None:
        await asyncio.sleep(GATHERING)
        while True:
            pause = self._options().heartbeat_interval
            self._look.clear()
            try:
                await self._ownership.renew(self._options(), self._measure(), self._held())
                pause = self._ownership.next_look
                await self._follow()
                await self._mend()
            except PepperError as error:
                log.warning("shards.not_renewed", topic=self._topic, error=str(error))
            except Exception:
                # A worker that no longer renews must not look as if it did: go on, and be loud.
                log.exception("shards.failed", topic=self._topic)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._look.wait()

    async def _follow(self) -> None:
        """Pulls from what it owns now, and from nothing else."""
        owned = self._ownership.owned
        await self._stop([n for n in self._pulled if n not in owned])
        for n in sorted(owned - self._pulled.keys()):
            shard = PulledShard(
                self._client,
                self._topic,
                n,
                self._options(),
                self._in_hand,
                self._work,
                self._loads.get(n, 0.0),
            )
            await shard.__aenter__()
            self._pulled[n] = shard
        self._owns(len(self._pulled))

    async def _stop(self, shards: list[int]) -> None:
        stopped = [self._pulled.pop(n) for n in shards]
        await asyncio.gather(*(shard.__aexit__() for shard in stopped))

    def _measure(self) -> dict[int, float]:
        """The loads of its shards; measured over no less than half a heartbeat."""
        now = time.monotonic()
        if now - self._measured >= self._options().heartbeat_interval / 2:
            self._loads = {n: shard.load() for n, shard in self._pulled.items()}
            self._measured = now
        return self._loads

    async def _mend(self) -> None:
        """Looks at some of the held keys of its shards, at others the next time."""
        mine = [key for n, key in await self._keys.held(self._topic) if n in self._pulled]
        if self._mended >= len(mine):
            self._mended = 0
        for key in islice(mine, self._mended, self._mended + MENDED):
            await self._keys.mend(self._topic, key)
        self._mended += MENDED
