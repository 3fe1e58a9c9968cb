"""The lanes of versions that an instance pulls from: its own, and those that nobody else would.

A lane whose version is not up is pulled from by the others. What was not begun there goes to the
versions that are left, in their proportions; what was, goes on with whoever has taken it.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from pepperpy_agents.agent import TaskSpec
from pepperpy_agents.versions.knowing import SideBySide
from pepperpy_bus.logs import get_log
from pepperpy_bus.versions.splits import Splits
from pepperpy_schemas.tokens import version_lane

log = get_log("pepperpy.versions")


class Pulled(Protocol):
    """What is pulled from at present."""

    async def stop(self) -> None:
        """Asks for nothing more."""
        ...


class VersionLanes:
    """Keeps the lanes open that this instance should pull from.

    Args:
        beside: What is known of the other versions.
        splits: Where it is seen whether a lane is empty.
        specs: What the agent does with which topics.
        pull: Begins to pull from all lanes of a topic, or of what takes its place.
    """

    def __init__(
        self,
        beside: SideBySide,
        splits: Splits,
        specs: Iterable[TaskSpec],
        pull: Callable[[TaskSpec, str], Awaitable[Pulled]],
    ) -> None:
        self._beside = beside
        self._splits = splits
        self._specs = {spec.topic: spec for spec in specs}
        self._pull = pull
        self._open: dict[tuple[str, str], Pulled] = {}
        self._known: dict[str, set[str]] = {}
        self._closed = False

    async def arrange(self) -> None:
        """Opens and closes lanes for what is known now."""
        for topic, split in list(self._beside.splits.items()):
            # Also those of former splits: a version that had not heard of the end may fill them.
            known = self._known.setdefault(topic, {self._beside.version})
            known.update(split.lanes)
            for version in sorted(known):
                if self._closed:
                    return
                await self._arrange(topic, version)

    async def close(self) -> None:
        """Closes all of them, for good."""
        self._closed = True
        for lane in list(self._open):
            await self._open.pop(lane).stop()

    async def _arrange(self, topic: str, version: str) -> None:
        lane = (topic, version)
        if self._is_own(topic, version):
            wanted = True
        elif self._beside.is_split(topic) and self._beside.is_up(topic, version):
            wanted = False
        else:
            wanted = lane in self._open or await self._splits.waiting(topic, version)
        if wanted and lane not in self._open:
            pulled = await self._pull(self._specs[topic], version_lane(topic, version))
            if self._closed:
                await pulled.stop()
                return
            self._open[lane] = pulled
            if version != self._beside.version:
                log.warning("versions.lane_taken_over", topic=topic, version=version)
        elif not wanted and lane in self._open:
            await self._open.pop(lane).stop()

    def _is_own(self, topic: str, version: str) -> bool:
        return self._beside.is_split(topic) and version == self._beside.version
