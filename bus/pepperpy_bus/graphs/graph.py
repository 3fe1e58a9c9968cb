"""The builder of graphs: nodes, and references to what they return."""

import re
from collections.abc import Sequence
from typing import Any, Literal, TypedDict, Unpack

import msgspec

from pepperpy_bus.bodies import to_json
from pepperpy_bus.graphs.plan import make_plan
from pepperpy_bus.graphs.references import INDEX, INPUT, ITEM, REF, RESERVED, literal
from pepperpy_bus.routing import Group
from pepperpy_bus.units import Duration, parse_duration
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import BadGraph
from pepperpy_schemas.graphs import (
    MAX_PARALLEL,
    Compensation,
    GraphSpec,
    GroupSpec,
    NodeSpec,
    OnFailure,
)

TOPIC = "orchestrate"
"""Where graphs are submitted: the stock agent works there."""


class Ref:
    """A reference to a value that is there when the graph runs.

    Attributes and items lead further into it: ``a.result.items[0].name``, ``a.result["a b"]``,
    and ``a.result[...]`` to each element of a list.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def __getattr__(self, name: str) -> "Ref":
        if name.startswith("_"):
            raise AttributeError(name)
        return Ref(f"{self._text}.{name}")

    def __getitem__(self, key: Any) -> "Ref":
        if key is ...:
            return Ref(f"{self._text}[*]")
        if isinstance(key, int):
            return Ref(f"{self._text}[{key}]")
        quote = "'" if '"' in key else '"'
        return Ref(f"{self._text}[{quote}{key}{quote}]")

    # Without this, having items would make it look like a list that never ends.
    __iter__ = None

    def __repr__(self) -> str:
        return f"Ref({self._text!r})"

    def __format__(self, spec: str) -> str:
        raise TypeError(
            f"{self._text} is known only when the graph runs: "
            'write graph.text("… {}", reference) instead of an f-string'
        )

    __str__ = __repr__


class Text:
    """A text with references in it; `Graph.text` makes it."""

    def __init__(self, source: str) -> None:
        self.source = source


class Node:
    """A node of a graph, to refer to.

    Attributes:
        name: Its name in the graph.
        result: What its task returns; null when it failed or was skipped.
        error: What it failed with: ``code``, ``message``; null when it did not.
        state: ``completed``, ``failed`` or ``skipped``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.result = Ref(f"{name}.result")
        self.error = Ref(f"{name}.error")
        self.state = Ref(f"{name}.state")

    def __repr__(self) -> str:
        return f"Node({self.name!r})"


class NodeOptions(TypedDict, total=False):
    """What may be said about a node besides what it does.

    Attributes:
        name: Its name; made from the topic by default.
        after: Nodes that come before it, besides those that it refers to.
        when: It is skipped unless this is true: ``"research.result.score > 0.5"``.
        each: A list, or a reference to one: a task for each element, which is ``graph.item``.
        parallel: How many of those run at once; as many as the graph allows by default.
        on_failure: ``compensate`` (the default): the graph fails, and what has completed is undone
            where it says how. ``fail``: the graph fails, and what has completed stays.
            ``continue``: the result is null and the graph goes on.
        compensate: The topic of the task that undoes it.
        undo_with: The body of that; by default the node's own ``{"input": …, "result": …}``.
        timeout: Time from its start to its end, such as ``"5m"``.
        priority: ``high`` goes to a lane of its own.
        key: Tasks of the same key run one after the other; a text, or a reference to one.
    """

    name: str
    after: "Node | str | Sequence[Node | str]"
    when: str
    each: Any
    parallel: int
    on_failure: OnFailure
    compensate: str
    undo_with: Any
    timeout: Duration
    priority: Literal["normal", "high"]
    key: "str | Ref | Text"


class Graph:
    """A graph of tasks: what depends on what, and which results go where.

    Args:
        name: Its name, the scope of its events.
        parallel: How many of its tasks run at once.

    Example:
        ```python
        g = Graph("launch")
        research = g.task("research", {"topic": "otters"})
        g.task("write", {"notes": research.result})
        results = await bus.run(g)
        ```
    """

    def __init__(self, name: str, *, parallel: int = MAX_PARALLEL) -> None:
        self.name = name
        self.input = Ref(INPUT)
        self.item = Ref(ITEM)
        self.index = Ref(INDEX)
        self._parallel = parallel
        self._nodes: dict[str, NodeSpec] = {}
        self._groups: dict[str, GroupSpec] = {}
        self._output: Any = None

    def task(
        self,
        topic: str | Group,
        input: Any = None,  # noqa: A002 - what it is called on the wire
        **options: Unpack[NodeOptions],
    ) -> Node:
        """Adds a task.

        Args:
            topic: Its topic, or the group that it goes to.
            input: Its body: plain values, Structs, references. Texts are taken as they are.
            **options: See `NodeOptions`.

        Raises:
            BadGraph: The name is taken.
        """
        if isinstance(topic, str):
            return self._add(topic, options, NodeSpec(topic=topic, input=_plain(input)))
        self._groups[topic.name] = topic.spec
        return self._add(topic.name, options, NodeSpec(group=topic.name, input=_plain(input)))

    def graph(
        self,
        graph: "Graph",
        input: Any = None,  # noqa: A002 - what it is called on the wire
        **options: Unpack[NodeOptions],
    ) -> Node:
        """Adds a graph as a node; its result is what that graph returns.

        Args:
            graph: The graph.
            input: What it is given as its ``input``.
            **options: See `NodeOptions`.

        Raises:
            BadGraph: The name is taken.
        """
        spec = NodeSpec(graph=graph.declared, input=_plain(input))
        return self._add(graph.name, options, spec)

    def output(self, value: Any) -> None:
        """Says what the graph returns: a reference, or a value with references."""
        self._output = _plain(value)

    def text(self, template: str, /, *references: Ref) -> Text:
        """Returns a text whose ``{}`` are filled in when the graph runs."""
        parts = template.split("{}")
        if len(parts) != len(references) + 1:
            raise BadGraph(
                f"{template!r:.80} has {len(parts) - 1} places for {len(references)} references"
            )
        ends = ["${" + one._text + "}" for one in references]
        filled = zip(map(literal, parts), [*ends, ""], strict=True)
        return Text("".join(part + end for part, end in filled))

    @property
    def declared(self) -> GraphSpec:
        """The graph as it travels, unchecked."""
        return GraphSpec(
            self.name,
            dict(self._nodes),
            output=self._output,
            parallel=self._parallel,
            groups=dict(self._groups),
        )

    async def address(self, registry: object, data: Any) -> tuple[str, Any]:  # noqa: ARG002
        """Returns where the graph is submitted, and the graph with what it is given.

        Raises:
            BadGraph: It cannot run; a cycle is named.
        """
        spec = self.declared
        make_plan(spec)
        given = None if data is None else decode(to_json(data), Any)
        return TOPIC, msgspec.structs.replace(spec, input=given)

    def _add(self, default: str, options: NodeOptions, spec: NodeSpec) -> Node:
        name = options.get("name") or self._free_name(default)
        if name in self._nodes:
            raise BadGraph(f"graph {self.name} has a node {name!r:.80} already")
        compensate: str | Compensation | None = options.get("compensate")
        if isinstance(compensate, str) and "undo_with" in options:
            compensate = Compensation(compensate, _plain(options["undo_with"]))
        timeout = options.get("timeout")
        self._nodes[name] = msgspec.structs.replace(
            spec,
            after=_names(options.get("after", ())),
            when=options.get("when", ""),
            each=_plain(options.get("each")),
            parallel=options.get("parallel", 0),
            on_failure=options.get("on_failure", "compensate"),
            compensate=compensate,
            timeout=None if timeout is None else parse_duration(timeout),
            priority=options.get("priority", "normal"),
            key=_text(options.get("key", "")),
        )
        return Node(name)

    def _free_name(self, default: str) -> str:
        """A name made of a topic's: its characters that are allowed, and a number when taken."""
        name = base = re.sub(r"\W", "_", default) if default[:1].isalpha() else f"n_{default}"
        number = 1
        while name in self._nodes or name in RESERVED:
            number += 1
            name = f"{base}_{number}"
        return name


def _names(after: Node | str | Sequence[Node | str]) -> list[str]:
    several = [after] if isinstance(after, Node | str) else after
    return [one.name if isinstance(one, Node) else one for one in several]


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one for each kind
    """Returns a value as plain types, references as the wire has them, all else literal."""
    match value:
        case Ref():
            return {REF: value._text}
        case Text():
            return value.source
        case dict():
            return {_key(key): _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case None | bool() | int() | float():
            return value
        case str():
            return literal(value)
        case msgspec.Struct():
            return {
                _key(info.encode_name): _plain(getattr(value, info.name))
                for info in msgspec.structs.fields(value)
            }
        case _:
            return literal(decode(to_json(value), Any))


def _text(value: str | Ref | Text) -> str:
    return "${" + value._text + "}" if isinstance(value, Ref) else str(_plain(value))


def _key(key: Any) -> Any:
    (only,) = literal({key: None})
    return only
