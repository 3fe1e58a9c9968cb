"""What an instance knows of the versions beside it: their weights, and which of them are up.

Until a topic is split, this costs a subscription that hears nothing.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Final

import msgspec

from pepperpy_bus.client import Client
from pepperpy_bus.link.message import Message
from pepperpy_bus.logs import get_log
from pepperpy_bus.registry import BEAT
from pepperpy_bus.versions.sharing_out import choose, in_force
from pepperpy_bus.versions.splits import Splits
from pepperpy_schemas.catalog.versions import SPLIT_CONTROL
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.messages import AgentInstance
from pepperpy_schemas.splits import Split

log = get_log("pepperpy.versions")

LOOK: Final = 5.0
"""Seconds between two looks while a topic is split; what is told of is looked at at once."""
FORGOTTEN: Final = 4 * BEAT
"""Seconds without a heartbeat after which an instance is gone, also when nobody could say so."""

_WORKING: Final = "RUNNING"
_AGAIN: Final = 1.0
_FRESH: Final = 1.0
"""Seconds that weights hold when nothing is told: whoever falls silent is noticed in steps."""


class _Other(msgspec.Struct, frozen=True):
    """An instance of another version, or of this one."""

    version: str
    topics: tuple[str, ...]
    heard: float


class SideBySide:
    """The splits of an instance's topics, and the versions that are up, while its context is open.

    Args:
        client: The client.
        version: The instance's own version.
        topics: Its topics.
        arrange: Called whenever something may have changed, one call after the other.

    Attributes:
        splits: The splits by topic, those that were ended included.
    """

    def __init__(
        self,
        client: Client,
        version: str,
        topics: Collection[str],
        arrange: Callable[[], Awaitable[None]],
    ) -> None:
        self.version = version
        self.splits: dict[str, Split] = {}
        self._client = client
        self._topics = frozenset(topics)
        self._arrange = arrange
        self._table = Splits(client.connection, client.prefix)
        self._others: dict[str, _Other] = {}
        self._in_force: dict[str, tuple[float, dict[str, int]]] = {}
        self._changed = asyncio.Event()
        self._looked: asyncio.Task[None] | None = None
        self._seen: asyncio.Task[None] | None = None

    # --- what it knows --------------------------------------------------------------------------

    def is_split(self, topic: str) -> bool:
        """Whether the tasks of a topic go to versions by weight."""
        split = self.splits.get(topic)
        return split is not None and bool(split.weights)

    def is_up(self, topic: str, version: str) -> bool:
        """Whether an instance of a version works on a topic."""
        return version == self.version or version in self._up(topic)

    def weights(self, topic: str) -> dict[str, int]:
        """Returns the weights in force: of versions that are up.

        This version counts as up: who asks is about to work.
        """
        now = time.monotonic()
        computed, weights = self._in_force.get(topic, (-_FRESH, {}))
        if now - computed >= _FRESH:
            weights = in_force(self.declared(topic), {self.version, *self._up(topic)})
            self._in_force[topic] = (now, weights)
        return weights

    def declared(self, topic: str) -> dict[str, int]:
        """Returns the weights as they were set, whoever is up; none when there is no split."""
        split = self.splits.get(topic)
        return {} if split is None else split.weights

    def target(self, topic: str, key: str) -> str:
        """Returns the version that a task goes to; this one when none with a weight is up."""
        return choose(self.weights(topic), key) or self.version

    def _up(self, topic: str) -> set[str]:
        oldest = time.monotonic() - FORGOTTEN
        return {
            one.version
            for one in self._others.values()
            if topic in one.topics and one.heard > oldest
        }

    # --- how it comes to know -------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Knows the splits from here on."""
        if not self._topics:
            yield
            return
        connection = self._client.connection
        subject = SPLIT_CONTROL.pattern(self._client.prefix)
        heard = await connection.subscribe(subject, self._hear)
        connection.on_reconnect.append(self._changed.set)
        try:
            await self._look()
            self._looked = asyncio.create_task(self._keep_looking(), name="versions-look")
            yield
        finally:
            connection.on_reconnect.remove(self._changed.set)
            await heard.stop()
            ending = [task for task in (self._looked, self._seen) if task is not None]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    def _hear(self, _: Message) -> None:
        self._changed.set()

    async def _keep_looking(self) -> None:
        while True:
            try:
                await self._arrange()
            except PepperError as error:
                log.warning("versions.not_arranged", error=str(error))
            except Exception:
                # A worker that no longer looks must not seem to: go on, and be loud.
                log.exception("versions.failed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK if self.splits else None):
                    await self._changed.wait()
            self._changed.clear()
            try:
                await self._look()
            except PepperError as error:
                log.warning("versions.not_seen", error=str(error))
                await asyncio.sleep(_AGAIN)
                self._changed.set()

    async def _look(self) -> None:
        found = await self._table.all()
        mine = {topic: split for topic, split in found.items() if topic in self._topics}
        if mine != self.splits:
            told = {topic: split.weights for topic, split in mine.items()}
            log.info("versions.split", version=self.version, weights=told)
        self.splits = mine
        if mine and self._seen is None:
            for one in await self._client.registry.instances():
                self._note(f"{one.agent}.{one.instance}", one)
            self._seen = asyncio.create_task(self._see(), name="versions-see")
        self._in_force.clear()

    async def _see(self) -> None:
        """Follows who comes and goes."""
        while True:
            try:
                async for key, one in self._client.registry.watch():
                    if self._note(key, one):
                        self._in_force.clear()
                        self._changed.set()
            except PepperError as error:
                log.warning("versions.not_watching", error=str(error))
            await asyncio.sleep(_AGAIN)

    def _note(self, key: str, one: AgentInstance | None) -> bool:
        """Takes note of a heartbeat, or of its end; returns whether that changes who is up."""
        before = self._others.pop(key, None)
        if one is None or one.state != _WORKING:
            return before is not None
        topics = tuple(topic for topic in one.topics if topic in self._topics)
        if not topics:
            return before is not None
        self._others[key] = _Other(one.version, topics, time.monotonic())
        return before is None or (before.version, before.topics) != (one.version, topics)
