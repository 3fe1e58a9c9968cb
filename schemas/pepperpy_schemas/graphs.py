"""Graphs: tasks that depend on each other, as they are declared and as they travel."""

from typing import Annotated, Any, Literal

import msgspec

from pepperpy_schemas.messages import Count

OnFailure = Literal["compensate", "fail", "continue"]
RoutingPolicy = Literal["round_robin", "least_loaded"]

MAX_PARALLEL = 64
"""Tasks of a graph that run at once unless it says otherwise: each wait lists them all."""


class Compensation(msgspec.Struct, frozen=True, omit_defaults=True):
    """The task that undoes a node, once, when the graph fails after that node has completed.

    Attributes:
        topic: Its topic.
        input: Its body, with references; by default ``{"input": …, "result": …}`` of the node.
    """

    topic: str
    input: Any = None


class GroupSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """A named set of agents, of which each task goes to one.

    Attributes:
        agents: Names of its members; whoever fits the rest when empty.
        capability: Only agents that say they can do this.
        version: Only agents in this range of versions, for example ``>=1.2,<2``.
        topics: The topics that tasks go to; needed when a member works on several.
        policy: ``round_robin``: each in its turn. ``least_loaded``: who has the most free slots.
    """

    agents: list[str] = []
    capability: str = ""
    version: str = ""
    topics: list[str] = []
    policy: RoutingPolicy = "round_robin"


class NodeSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """A node of a graph: a task, one for each element of a list, or a graph of its own.

    Attributes:
        topic: The topic of its task. One of topic, group and graph is needed.
        group: The group that its task goes to.
        graph: The graph that it is.
        input: The body, with references: ``{"$ref": "a.result.items[0]"}``, ``"${a.result.text}"``.
        after: Nodes that come before it, besides those that it refers to.
        when: The node is skipped unless this is true: ``a.result.score > 0.5``.
        each: A list, or a reference to one: a task for each element, which is ``${item}``.
        parallel: How many of those run at once; 0 for as many as the graph allows.
        on_failure: ``compensate``: the graph fails and what has completed is undone, where it says
            how. ``fail``: the graph fails and what has completed stays. ``continue``: the result is
            null and the graph goes on.
        compensate: What undoes it: a topic, or a topic with a body.
        timeout: Time from its start to its end, such as ``5m`` or seconds.
        priority: The lane of its task.
        key: Tasks of the same key run one after the other; may have references.
    """

    topic: str = ""
    group: str = ""
    graph: "GraphSpec | None" = None
    input: Any = None
    after: list[str] = []
    when: str = ""
    each: Any = None
    parallel: Count = 0
    on_failure: OnFailure = "compensate"
    compensate: str | Compensation | None = None
    timeout: str | float | None = None
    priority: Literal["normal", "high"] = "normal"
    key: str = ""


class GraphSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """A graph of tasks: who depends on whom, and what goes where.

    Attributes:
        name: Its name, the scope of its events.
        nodes: Its nodes by name; names are letters, digits and ``_``.
        input: What the graph as a whole is given: ``${input}`` in its nodes.
        output: What it returns, with references; by default the results of the nodes that nothing
            depends on, by name.
        parallel: How many of its tasks run at once.
        groups: Groups that its nodes name.
    """

    name: str
    nodes: dict[str, NodeSpec]
    input: Any = None
    output: Any = None
    parallel: Annotated[int, msgspec.Meta(ge=1, le=1000)] = MAX_PARALLEL
    groups: dict[str, GroupSpec] = {}
