"""The lanes that a worker pulls from: of its topics, and of versions of these."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias

import msgspec

from pepperpy_agents.agent import TaskSpec
from pepperpy_bus.client import Client
from pepperpy_bus.streams.consumers import PULSE, resume_consumer, task_consumer
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.in_hand import InHand
from pepperpy_bus.streams.provision import ensure_consumer, patience_of
from pepperpy_bus.streams.pull import Work, WorkPuller
from pepperpy_bus.streams.topology import Config
from pepperpy_schemas.catalog.tasks import RESUME, TASK
from pepperpy_schemas.subjects import stream_name

HIGH_SHARE: Final = 4
"""The high-priority lane of a topic has this part of its slots, in addition to them."""

WorkOn: TypeAlias = Callable[[TaskSpec, Delivery], Awaitable[None]]
"""Works on a delivery of a topic and settles it."""


class _Lane(msgspec.Struct, frozen=True, eq=False):
    """What is pulled from one consumer."""

    spec: TaskSpec
    puller: WorkPuller
    high: bool
    own: bool


class Pulling:
    """The lanes of one topic, or of what takes its place, while they are pulled from."""

    def __init__(self, every: list[_Lane]) -> None:
        self._every = every
        self._own: list[_Lane] = []

    def add(self, lane: _Lane) -> None:
        """Takes note of a lane that is pulled from."""
        self._own.append(lane)
        self._every.append(lane)

    async def stop(self) -> None:
        """Asks for nothing more."""
        for lane in self._own:
            self._every.remove(lane)
        stopping, self._own = self._own, []
        await asyncio.gather(*(lane.puller.stop() for lane in stopping))


class Lanes:
    """All lanes that a worker pulls from.

    Each has slots of its own: a backlog of normal tasks, however long they run, never keeps a high
    one waiting, nor new ones those that go on.

    Args:
        client: The client.
        in_hand: Where deliveries are kept alive.
        concurrency: Tasks of one topic that run at once, unless its agent says otherwise.
        take: Works on a task.
        take_wake: Works on a wake.
    """

    def __init__(
        self, client: Client, in_hand: InHand, concurrency: int, take: WorkOn, take_wake: WorkOn
    ) -> None:
        self._client = client
        self._in_hand = in_hand
        self._concurrency = concurrency
        self._take = take
        self._take_wake = take_wake
        self._all: list[_Lane] = []
        self._paused = False

    async def pull(self, spec: TaskSpec, lane: str) -> Pulling:
        """Pulls from both priorities and from the wakes of a topic, or of a version's lane."""
        prefix, work = self._client.prefix, partial(self._take, spec)
        high, normal = (task_consumer(prefix, lane, high=high) for high in (True, False))
        woken, go_on = resume_consumer(prefix, lane), partial(self._take_wake, spec)
        own = lane == spec.topic
        pulling = Pulling(self._all)
        try:
            pulling.add(await self._pull(spec, TASK.stream, high, work, high=True, own=own))
            pulling.add(await self._pull(spec, TASK.stream, normal, work, high=False, own=own))
            pulling.add(await self._pull(spec, RESUME.stream, woken, go_on, high=True, own=own))
        except BaseException:
            await pulling.stop()
            raise
        return pulling

    def slots(self, spec: TaskSpec, *, high: bool) -> int:
        """Returns how many tasks of a lane of a topic run at once."""
        slots = spec.concurrency or self._concurrency
        return -(-slots // HIGH_SHARE) if high else slots

    @property
    def total(self) -> int:
        """How many tasks may run at once; while a topic is split, its own lanes run none."""
        return sum(lane.puller.slots for lane in self._all if lane.own)

    def resize(self, concurrency: int) -> None:
        """Changes how many tasks run at once."""
        self._concurrency = concurrency
        for lane in self._all:
            lane.puller.resize(self.slots(lane.spec, high=lane.high))

    def pause(self) -> None:
        """Takes nothing more until `resume`."""
        self._paused = True
        for lane in self._all:
            lane.puller.pause()

    def resume(self) -> None:
        """Takes tasks again."""
        self._paused = False
        for lane in self._all:
            lane.puller.resume()

    async def stop(self) -> None:
        """Asks for nothing more; those who opened a lane still close it."""
        await asyncio.gather(*(lane.puller.stop() for lane in self._all))

    async def _pull(
        self, spec: TaskSpec, suffix: str, config: Config, work: Work, *, high: bool, own: bool
    ) -> _Lane:
        connection, stream = self._client.connection, stream_name(self._client.prefix, suffix)
        ensure = partial(ensure_consumer, connection, stream, config)
        await ensure()
        patience = await patience_of(connection, stream, config["name"])
        puller = WorkPuller(
            connection,
            stream,
            config["name"],
            slots=self.slots(spec, high=high),
            work=work,
            in_hand=self._in_hand,
            ensure=ensure,
            pulse=min(PULSE, patience / 3),
        )
        if self._paused:
            puller.pause()
        await puller.__aenter__()
        return _Lane(spec, puller, high, own)
