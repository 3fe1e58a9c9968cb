"""One shard at work: pulled by its owner alone, and how busy it is."""

import asyncio
import time
from collections.abc import Callable
from typing import Self

from pepperpy_agents.sharding.assignment import ShardingOptions
from pepperpy_bus.client import Client
from pepperpy_bus.streams.consumers import PIN_GROUP, shard_consumer
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.in_hand import InHand
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.provision import set_consumer
from pepperpy_bus.streams.pull import Work, WorkPuller
from pepperpy_schemas.errors import NotFound, RefusedByServer
from pepperpy_schemas.subjects import stream_name

_SMOOTHING = 0.5
# One that is worked on and one that is asked for: the owner's standing request keeps its pin.
_SLOTS = 2


class PulledShard:
    """One shard of a topic while this worker owns it and its context is open.

    Args:
        client: The client.
        topic: The topic.
        shard: Number of the shard.
        options: How the worker takes part.
        in_hand: Where deliveries are kept alive.
        work: Works on a delivery and settles it.
        load: What its load was, from 0 to 1.
    """

    def __init__(
        self,
        client: Client,
        topic: str,
        shard: int,
        options: ShardingOptions,
        in_hand: InHand,
        work: Work,
        load: float = 0.0,
    ) -> None:
        self._connection = client.connection
        self._stream = stream_name(client.prefix, "KEYED")
        self._config = shard_consumer(client.prefix, topic, shard, patience=options.patience)
        self._work_on = work
        self._in_turn = asyncio.Lock()
        self._busy = Busy(load, time.monotonic)
        self._puller = WorkPuller(
            client.connection,
            self._stream,
            self._config["name"],
            slots=_SLOTS,
            work=self._work,
            in_hand=in_hand,
            ensure=self._ensure,
            # Signs of life come so often, and requests end so early, that what a process which
            # stands still has in hand goes to the next owner, and not to a request of its own.
            expires=options.patience / 2,
            heartbeat=options.patience / 4,
            group=PIN_GROUP,
            pulse=options.heartbeat_interval / 2,
        )

    async def __aenter__(self) -> Self:
        await self._ensure()
        await self._unpin()
        await self._puller.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._puller.stop()

    def load(self) -> float:
        """Returns the share of the time that a task of the shard was in hand, smoothed."""
        return self._busy.measure()

    async def _ensure(self) -> None:
        # As its owner wants it: the owner's signs of life must come in time.
        await set_consumer(self._connection, self._stream, self._config)

    async def _unpin(self) -> None:
        """Makes the server hand out to this worker, whoever had the shard before."""
        action = f"CONSUMER.UNPIN.{self._stream}.{self._config['name']}"
        try:
            await api(self._connection, action, {"group": PIN_GROUP})
        except (NotFound, RefusedByServer):
            return  # nobody was pinned

    async def _work(self, delivery: Delivery) -> None:
        # A worker that stood still may acknowledge what this one has been given anew: then the
        # next comes while this one is still being worked on.
        with self._busy:
            async with self._in_turn:
                await self._work_on(delivery)


class Busy:
    """Measures which share of the time something is in hand.

    Args:
        load: The share so far.
        clock: Monotonic time in seconds.
    """

    def __init__(self, load: float, clock: Callable[[], float]) -> None:
        self._load = load
        self._clock = clock
        self._began = self._changed = clock()
        self._held = 0
        self._busy = 0.0

    def __enter__(self) -> None:
        self._count()
        self._held += 1

    def __exit__(self, *exc_info: object) -> None:
        self._count()
        self._held -= 1

    def measure(self) -> float:
        """Returns the share since the last call, smoothed with those before."""
        self._count()
        passed = self._changed - self._began
        if passed > 0:
            share = self._busy / passed
            self._load = _SMOOTHING * share + (1 - _SMOOTHING) * self._load
        self._began, self._busy = self._changed, 0.0
        return self._load

    def _count(self) -> None:
        now = self._clock()
        if self._held:
            self._busy += now - self._changed
        self._changed = now
