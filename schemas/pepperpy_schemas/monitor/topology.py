"""Who talks to whom, and who waits."""

from typing import Literal

import msgspec

from pepperpy_schemas.messages import Count, Instant


class Node(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Somebody of the topology.

    Attributes:
        id: ``kind:name``.
        kind: What it is.
        name: Its name.
        state: How it is: an agent's best state, a service's status; empty where nothing tells.
        size: Instances of an agent, waiting tasks of a topic.
    """

    id: str
    kind: Literal["client", "topic", "agent", "service", "model"]
    name: str
    state: str = ""
    size: Count = 0


class Edge(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Somebody does something with somebody.

    Attributes:
        source: The node that does it.
        target: The node that it is done with.
        kind: Submits tasks to a topic, pulls tasks from it, asks a service, waits for children.
        rate: How often per second, over the last five minutes.
        count: How often since the monitor sees.
        failed: Of these, failed.
        last: When it happened last.
    """

    source: str
    target: str
    kind: Literal["submits", "pulls", "asks", "waits"]
    rate: float = 0.0
    count: Count = 0
    failed: Count = 0
    last: Instant | None = None


class Waiting(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A task that waits.

    Attributes:
        task: The task.
        topic: Its topic.
        waits: For an answer, for children, or for a time.
        since: Since when.
        deadline: When the wait is over, or null.
        text: The question.
        children: How many children it waits for.
    """

    task: str
    topic: str
    waits: str
    since: Instant | None = None
    deadline: Instant | None = None
    text: str = ""
    children: Count = 0


class Topology(msgspec.Struct, frozen=True):
    """Who talks to whom, and who waits.

    Attributes:
        nodes: Clients, topics, agents, services, models.
        edges: What they do with one another.
        waiting: Tasks that wait, the longest first, at most 100.
    """

    nodes: list[Node]
    edges: list[Edge]
    waiting: list[Waiting]
