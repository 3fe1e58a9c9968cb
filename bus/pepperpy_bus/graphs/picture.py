"""Where a graph is, put together from its events."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from pepperpy_bus.client import Client
from pepperpy_bus.events import Heard
from pepperpy_bus.graphs.plan import Plan

LARGEST_SHAPE: Final = 2_000
"""Nodes of a graph whose first event tells who needs whom."""
ENDS: Final = frozenset({"completed", "failed", "rejected", "canceled"})
_ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)


class NodePicture(msgspec.Struct):
    """Where a node is.

    Attributes:
        needs: The nodes that come before it.
        topic: The topic that its task went to, or what it is declared as.
        state: ``waiting``, ``running``, ``completed``, ``failed``, ``skipped``, ``compensated``.
        task: The id of its task; of the last one, when it has several.
        started: When its first task was submitted.
        ended: When it had ended.
        elements: How many tasks of its list were submitted.
        elements_ended: How many of these have ended.
        error: What it failed with.
    """

    needs: list[str] = []
    topic: str = ""
    state: str = "waiting"
    task: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    elements: int = 0
    elements_ended: int = 0
    error: str = ""


class Picture(msgspec.Struct):
    """Where a graph is.

    Attributes:
        id: Its task.
        name: Its name; empty until it has begun.
        state: ``queued``, ``running``, or how it ended.
        nodes: Its nodes by name, each after those that it needs.
        started: When it began.
        ended: When it ended.
        error: What it failed with.
    """

    id: str
    name: str = ""
    state: str = "queued"
    nodes: dict[str, NodePicture] = {}
    started: datetime | None = None
    ended: datetime | None = None
    error: str = ""

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state in ENDS

    def take(self, event: Heard) -> None:
        """Takes note of the next event."""
        match event.entity, event.verb:
            case "graph", "started":
                self.name, self.state, self.started = event.scope, "running", event.event.ts
                for name, shape in event.data.get("nodes", {}).items():
                    self.nodes[name] = msgspec.convert(shape, NodePicture)
            case "graph", "failed":
                self.error = str(event.data.get("message", ""))
            case "graph", _ if "node" in event.data:
                self._take_node(event)
            case "task", verb if verb in ENDS:
                self.state, self.ended = verb, event.event.ts
                self.error = self.error or str(event.data.get("message", ""))
            case _:
                pass

    def _take_node(self, event: Heard) -> None:
        data, at = event.data, event.event.ts
        node = self.nodes.setdefault(str(data["node"]), NodePicture())
        match event.verb:
            case "node_started":
                node.state, node.started = "running", node.started or at
                node.task = str(data.get("task", ""))
                node.topic = str(data.get("topic", ""))
                node.elements += "index" in data
            case "element_completed" | "element_failed":
                node.elements_ended += 1
            case "node_completed" | "node_failed" | "node_skipped" | "node_compensated":
                node.state = event.verb.removeprefix("node_")
                node.ended = node.ended or at
                node.error = str(data.get("message", ""))
            case "node_not_compensated":
                node.error = f"not compensated: {data.get('message', '')}"
            case _:
                pass


def shape_of(plan: Plan) -> dict[str, Any]:
    """Returns what a graph's first event tells of its nodes."""
    return {
        name: {
            "needs": list(node.needs),
            "topic": node.spec.topic or node.spec.group or "graph",
        }
        for name, node in plan.nodes.items()
    }


def planned(plan: Plan) -> Picture:
    """Returns the picture of a graph that has not begun."""
    nodes = msgspec.convert(shape_of(plan), dict[str, NodePicture])
    return Picture("", plan.spec.name, nodes=nodes)


async def follow_graph(
    client: Client, task_id: str, *, once: bool = False
) -> AsyncIterator[Picture]:
    """Yields the picture of a graph with every change, the same object each time.

    It ends when the graph has, or with ``once`` when all that is known now has been read.

    Args:
        client: The client.
        task_id: The graph's task.
        once: Do not wait for what comes.
    """
    picture = Picture(task_id)
    events = client.events(f"*.*.*.{task_id}", since=_ALWAYS, until_end=once)
    async for event in events:
        picture.take(event)
        yield picture
        if picture.over:
            return
