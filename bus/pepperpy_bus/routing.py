"""Groups of agents, and to whom of them a task goes.

A task goes to a topic, and whichever worker of that topic is free takes it. A group chooses the
topic: among those of its members that are up, by what the registry knows of them.
"""

import asyncio
import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from pepperpy_bus.registry import Registry, selector
from pepperpy_schemas.errors import BadConfig, BadGraph, Unavailable
from pepperpy_schemas.graphs import GroupSpec, RoutingPolicy
from pepperpy_schemas.messages import AgentInstance
from pepperpy_schemas.tokens import check_token, check_topic

PATIENCE: Final = 15.0
"""Seconds to wait for a member to come up: a heartbeat's life."""
_LOOK: Final = 0.5
_WORKING: Final = "running"


class Addressee(Protocol):
    """What a task can be submitted to besides a topic: a group, or a graph."""

    async def address(self, registry: Registry, data: Any) -> tuple[str, Any]:
        """Returns the topic and the body."""
        ...


async def addressed(to: str | Addressee, registry: Registry, data: Any) -> tuple[str, Any]:
    """Returns the topic and the body of a task."""
    return (to, data) if isinstance(to, str) else await to.address(registry, data)


class Member(msgspec.Struct, frozen=True):
    """A topic of a group, with all instances that work on it.

    Attributes:
        topic: The topic.
        in_flight: Tasks that they run.
        slots: Tasks that they may run at once.
    """

    topic: str
    in_flight: int
    slots: int


class Group:
    """A named set of agents, of which each task goes to one.

    Args:
        name: Its name.
        agents: Names of its members; whoever fits the rest when empty.
        capability: Only agents that say they can do this.
        version: Only agents in this range of versions, for example ``>=1.2,<2``.
        topics: The topics that tasks go to; needed when a member works on several.
        policy: ``round_robin``: each in its turn. ``least_loaded``: who has the most free slots.

    Raises:
        BadName: A name or the range is not valid.
        BadGraph: Nothing says who its members are.

    Example:
        ```python
        writers = Group("writers", capability="write", policy="least_loaded")
        text = await bus.run(writers, "otters")
        ```
    """

    def __init__(
        self,
        name: str,
        *,
        agents: Sequence[str] = (),
        capability: str = "",
        version: str = "",
        topics: Sequence[str] = (),
        policy: RoutingPolicy = "round_robin",
    ) -> None:
        self.name = name
        self.spec = GroupSpec(list(agents), capability, version, list(topics), policy)
        check_group(name, self.spec)
        # Many clients of one group do not all begin with the same member.
        self._turns = itertools.count(random.randrange(1 << 16))  # noqa: S311 - spreads load

    async def pick(self, registry: Registry) -> str:
        """Returns the topic whose turn it is; see `pick`."""
        return await pick(registry, self.name, self.spec, turn=next(self._turns))

    async def address(self, registry: Registry, data: Any) -> tuple[str, Any]:
        """Returns the topic whose turn it is, and what goes there."""
        return await self.pick(registry), data


async def pick(
    registry: Registry,
    name: str,
    group: GroupSpec,
    *,
    turn: int,
    sent: Mapping[str, int] | None = None,
    patience: float | None = None,
) -> str:
    """Returns the topic that a task of a group goes to.

    Args:
        registry: Who is up.
        name: The group's name.
        group: The group.
        turn: How many tasks it has sent before.
        sent: Tasks that were sent to a topic and that no heartbeat may tell of yet.
        patience: Seconds to wait for a member to come up; `PATIENCE` by default.

    Raises:
        Unavailable: None is up.
        BadConfig: A member works on several topics, and the group does not say on which.
    """
    deadline = asyncio.get_running_loop().time() + (PATIENCE if patience is None else patience)
    while True:
        found = members(name, group, await registry.instances(version=group.version))
        if found:
            return choose(found, group.policy, turn=turn, sent=sent or {}).topic
        if asyncio.get_running_loop().time() >= deadline:
            raise Unavailable(
                f"no agent of group {name} is up: {_wanted(group)}",
                hint="see who is: pepperpy agents",
            )
        await asyncio.sleep(_LOOK)


def members(name: str, group: GroupSpec, instances: Iterable[AgentInstance]) -> list[Member]:
    """Returns the topics of a group that somebody works on now, by name.

    Raises:
        BadConfig: A member works on several topics, and the group does not say on which.
    """
    fits = selector(capability=group.capability, version=group.version)
    load: dict[str, tuple[int, int]] = {}
    for one in instances:
        wanted = not group.agents or one.agent in group.agents
        if not (wanted and fits(one)) or one.state.lower() != _WORKING:
            continue
        topics = [topic for topic in one.topics if not group.topics or topic in group.topics]
        if len(topics) > 1 and not group.topics:
            raise BadConfig(
                f"group {name}: agent {one.agent} works on {', '.join(topics)}",
                hint="say which of them are meant: topics=[…]",
            )
        for topic in topics:
            busy, slots = load.get(topic, (0, 0))
            load[topic] = busy + one.load.in_flight, slots + one.load.slots
    return [Member(topic, *load[topic]) for topic in sorted(load)]


def choose(
    found: Sequence[Member], policy: RoutingPolicy, *, turn: int, sent: Mapping[str, int]
) -> Member:
    """Returns one of the members.

    Args:
        found: At least one.
        policy: How to choose.
        turn: How many tasks the group has sent before.
        sent: Tasks that were sent to a topic and that no heartbeat may tell of yet.
    """
    start = turn % len(found)
    in_turn = [*found[start:], *found[:start]]
    if policy == "round_robin":
        return in_turn[0]
    return min(
        in_turn, key=lambda one: (one.in_flight + sent.get(one.topic, 0)) / max(one.slots, 1)
    )


def check_group(name: str, group: GroupSpec) -> None:
    """Looks whether a group can have members.

    Raises:
        BadName: A name or range in it is not valid.
        BadGraph: It says neither agents nor what they can do.
    """
    check_token(name, what="name of a group")
    if not (group.agents or group.capability or group.topics):
        raise BadGraph(f"group {name} says nothing of its members", hint="give it a capability")
    for topic in group.topics:
        check_topic(topic)
    selector(version=group.version)


def _wanted(group: GroupSpec) -> str:
    return ", ".join(
        f"{what} {value if isinstance(value, str) else ' or '.join(value)}"
        for what, value in (
            ("agent", group.agents),
            ("capability", group.capability),
            ("version", group.version),
            ("topic", group.topics),
        )
        if value
    )
