"""The keyed tasks of one worker: noticed when the first one is sent, then sharded.

Any topic may get tasks with keys, from anybody and without a declaration. Until it does, a topic
costs a subscription that hears nothing.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from functools import partial

from pepperpy_agents.agent import TaskSpec
from pepperpy_agents.execution import Executor
from pepperpy_agents.sharding.assignment import ShardingOptions
from pepperpy_agents.sharding.slots import Slots
from pepperpy_agents.versions.knowing import SideBySide
from pepperpy_bus.client import Client
from pepperpy_bus.events import Emitter
from pepperpy_bus.link.message import Message
from pepperpy_bus.link.subscription import Subscription
from pepperpy_bus.logs import get_log
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.in_hand import InHand
from pepperpy_bus.streams.pull import Work
from pepperpy_bus.streams.reading import read_as_stored
from pepperpy_schemas.catalog.sharding import SHARD_TABLE, SHARDED_TASK
from pepperpy_schemas.catalog.tasks import KEYED_TASK
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.subjects import stream_name

log = get_log("pepperpy.shards")

_AGAIN = 1.0


class KeyedTasks:
    """The keyed tasks of one instance of an agent while its context is open.

    Args:
        client: The client.
        specs: What the agent does with which topics.
        executor: What runs the tasks.
        emitter: Where events go.
        clock: The server's clock.
        instance: The instance, ``agent/instance``.
        in_hand: Where deliveries are kept alive.
        options: How it takes part.
        slots: How many tasks of each topic may run at once, keyed ones on their own.
        beside: What is known of other versions.
    """

    def __init__(
        self,
        client: Client,
        specs: Iterable[TaskSpec],
        executor: Executor,
        emitter: Emitter,
        clock: ServerClock,
        instance: str,
        in_hand: InHand,
        options: ShardingOptions,
        slots: dict[str, int],
        beside: SideBySide,
    ) -> None:
        self._beside = beside
        self._client = client
        self._specs = {spec.topic: spec for spec in specs}
        self._executor = executor
        self._emitter = emitter
        self._clock = clock
        self._instance = instance
        self._in_hand = in_hand
        self._options = options
        self._capacity = Slots(options.capacity)
        self._slots = {topic: Slots(limit) for topic, limit in slots.items()}
        self._heard: dict[str, Subscription] = {}
        self._owned: dict[str, int] = {}
        self._taking_part: dict[str, asyncio.Task[None]] = {}
        self._looking: set[asyncio.Task[None]] = set()
        self._away = False
        self._held = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Notices keyed tasks and works on them until the end."""
        connection = self._client.connection
        for topic in self._specs:
            subject = KEYED_TASK.pattern(self._client.prefix, topic=topic)
            self._heard[topic] = await connection.subscribe(subject, partial(self._hear, topic))
        # Twice: after one the subscriptions need not be live.
        await connection.flush()
        await connection.flush()
        connection.on_reconnect.append(self._look_again)
        try:
            await asyncio.gather(*map(self._look_for, self._specs))
            yield
        finally:
            connection.on_reconnect.remove(self._look_again)
            await _end(self._looking)
            await self.leave()
            for subscription in self._heard.values():
                await subscription.stop()

    async def leave(self) -> None:
        """Hands its shards to the others, and takes no more keyed tasks until `come_back`."""
        self._away = True
        left = dict(self._taking_part)
        await _end(left.values())
        self._taking_part.clear()

    def come_back(self) -> None:
        """Takes keyed tasks again."""
        self._away = False
        self._look_again()

    def change(self, options: ShardingOptions, slots: dict[str, int]) -> None:
        """Works by other options from now on."""
        self._options = options
        self._capacity.resize(options.capacity)
        for topic, limit in slots.items():
            self._slots[topic].resize(limit)

    @property
    def shards(self) -> int:
        """How many shards it owns, of all topics."""
        return sum(self._owned.values())

    # --- noticing -------------------------------------------------------------------------------

    def _hear(self, topic: str, _: Message) -> None:
        self._take_part(topic)

    def _look_again(self) -> None:
        """What was sent while the connection was away was not heard."""
        task = asyncio.create_task(self._look_until_seen(), name="look-for-keyed-tasks")
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _look_until_seen(self) -> None:
        while True:
            try:
                await asyncio.gather(*map(self._look_for, self._specs))
            except PepperError as error:
                log.debug("shards.not_looked_for", error=str(error))
                await asyncio.sleep(_AGAIN)
            else:
                return

    async def _look_for(self, topic: str) -> None:
        """Takes part in a topic that has a table, or tasks that wait."""
        if topic in self._taking_part:
            return
        client = self._client
        cells = Cells(client.connection, client.prefix)
        query = {"seq": 1, "next_by_subj": SHARDED_TASK.pattern(client.prefix, topic=topic)}
        stream = stream_name(client.prefix, "KEYED")
        if (
            await cells.get(cells.key(SHARD_TABLE, topic=topic)) is not None
            or await read_as_stored(client.connection, stream, query) is not None
        ):
            self._take_part(topic)

    # --- taking part ----------------------------------------------------------------------------

    def _take_part(self, topic: str) -> None:
        if topic in self._taking_part or self._away:
            return
        task = asyncio.create_task(self._stay(topic), name=f"sharding-{topic}")
        self._taking_part[topic] = task

    async def _stay(self, topic: str) -> None:
        # Not for a worker without keyed tasks.
        from pepperpy_agents.sharding.ownership import Ownership
        from pepperpy_agents.sharding.topic import TopicShards

        if topic in self._heard:
            await self._heard.pop(topic).stop()
        client = self._client
        while True:
            shards = TopicShards(
                client,
                topic,
                Ownership(
                    client,
                    topic,
                    self._instance,
                    self._emitter,
                    self._clock,
                    self._beside.version,
                    partial(self._beside.declared, topic),
                ),
                self._executor.keys,
                self._in_hand,
                self._work(topic),
                lambda: self._options,
                lambda: self._held,
                partial(self._owned.__setitem__, topic),
            )
            try:
                async with shards.running():
                    await asyncio.Event().wait()
            except PepperError as error:
                log.warning("shards.not_joined", topic=topic, error=str(error))
            except Exception:
                # A worker that takes no part must not look as if it did: go on, and be loud.
                log.exception("shards.failed", topic=topic)
            await asyncio.sleep(_AGAIN)

    def _work(self, topic: str) -> Work:
        from pepperpy_agents.sharding.turns import Turns

        turns = Turns(self._client, self._specs[topic], self._executor)
        slots = self._slots[topic]

        async def work(delivery: Delivery) -> None:
            self._held += 1
            try:
                async with slots.one(), self._capacity.one():
                    await turns.take(delivery)
            finally:
                self._held -= 1

        return work


async def _end(tasks: "Iterable[asyncio.Task[None]]") -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
