"""The plan of a graph: who waits for whom, checked before anything runs.

Nothing here talks to the broker.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from pepperpy_bus.graphs.references import (
    INDEX,
    INPUT,
    ITEM,
    OF_NODE,
    RESERVED,
    Reference,
    Template,
    read_template,
)
from pepperpy_bus.routing import check_group
from pepperpy_bus.units import parse_duration
from pepperpy_bus.where import Predicate, compile_where, names_in
from pepperpy_schemas.errors import BadGraph, PepperError
from pepperpy_schemas.graphs import Compensation, GraphSpec, NodeSpec
from pepperpy_schemas.tokens import check_token, check_topic

MAX_NODES: Final = 10_000
MAX_DEPTH: Final = 8
"""Graphs within graphs."""
MAX_NAME: Final = 64

_OF_ELEMENTS: Final = frozenset({ITEM, INDEX})


class Node(msgspec.Struct, frozen=True):
    """A node whose references are read.

    Attributes:
        name: Its name.
        spec: As it is declared.
        needs: The nodes that must have ended before it, in the order of their declaration.
        input: The body of its task.
        each: The list of its elements, or None.
        when: Whether it runs at all.
        key: The key of its task, or None.
        undo: What undoes it: a topic and a body, or None.
        timeout: Seconds from its start to its end, or None.
    """

    name: str
    spec: NodeSpec
    needs: tuple[str, ...]
    input: Template
    each: Template | None = None
    when: Predicate | None = None
    key: Template | None = None
    undo: tuple[str, Template] | None = None
    timeout: float | None = None


class Plan(msgspec.Struct, frozen=True):
    """A graph that can run.

    Attributes:
        spec: As it is declared.
        nodes: Its nodes by name, each after those that it needs.
        output: What it returns, or None for the results of its sinks.
    """

    spec: GraphSpec
    nodes: dict[str, Node]
    output: Template | None

    @property
    def sinks(self) -> list[str]:
        """The nodes that no other one needs."""
        needed = {name for node in self.nodes.values() for name in node.needs}
        return [name for name in self.spec.nodes if name not in needed]

    def dependents(self) -> dict[str, list[str]]:
        """Returns, for each node, those that need it."""
        found: dict[str, list[str]] = {name: [] for name in self.nodes}
        for node in self.nodes.values():
            for name in node.needs:
                found[name].append(node.name)
        return found

    def layers(self) -> dict[str, int]:
        """Returns how many nodes stand before each one on the longest way to it."""
        found: dict[str, int] = {}
        for node in self.nodes.values():
            found[node.name] = max((found[name] + 1 for name in node.needs), default=0)
        return found


def make_plan(spec: GraphSpec, *, depth: int = 0) -> Plan:
    """Returns the plan of a graph.

    Args:
        spec: The graph.
        depth: How many graphs it lies in.

    Raises:
        BadGraph: It cannot run; the message names the node and what is wrong, ``context.path`` the
            field. A cycle is named from node to node.
    """
    _check_graph(spec, depth)
    places = {name: place for place, name in enumerate(spec.nodes)}
    nodes = {name: _node(spec, name, places, depth) for name in spec.nodes}
    output = None
    if spec.output is not None:
        with _within("output"):
            output = read_template(spec.output)
            _check_known(spec, output.references)
    return Plan(spec, _in_order(nodes), output)


def find_cycle(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Returns the nodes of a cycle, each needed by the next and the first again at the end.

    Nothing when there is none. A node that needs itself is a cycle.
    """
    done: set[str] = set()
    for start in needs:
        way: dict[str, Iterator[str]] = {}
        node: str | None = start if start not in done else None
        while node is not None:
            way[node] = iter(needs[node])
            node = _next(way, done)
            if node in way:
                names = list(way)
                # The way goes from who needs to who is needed; work flows the other way.
                return [node, *reversed(names[names.index(node) :])]
    return []


def _next(way: dict[str, Iterator[str]], done: set[str]) -> str | None:
    """The next node of a search in depth; whoever has nothing left is done."""
    while way:
        last = next(reversed(way))
        for needed in way[last]:
            if needed not in done:
                return needed
        done.add(last)
        del way[last]
    return None


def _in_order(nodes: dict[str, Node]) -> dict[str, Node]:
    waiting = {name: len(node.needs) for name, node in nodes.items()}
    dependents: dict[str, list[str]] = {name: [] for name in nodes}
    for node in nodes.values():
        for name in node.needs:
            dependents[name].append(node.name)
    ready = [name for name, count in waiting.items() if count == 0]
    for name in ready:  # it grows meanwhile
        for dependent in dependents[name]:
            waiting[dependent] -= 1
            if waiting[dependent] == 0:
                ready.append(dependent)
    if len(ready) < len(nodes):
        cycle = find_cycle({name: node.needs for name, node in nodes.items()})
        way = " -> ".join(cycle if len(cycle) < 20 else [*cycle[:10], "…", *cycle[-9:]])
        raise BadGraph(
            f"the nodes wait for each other in a cycle: {way}",
            hint="take one of these dependencies out: an `after`, or a reference",
            context={"cycle": cycle, "node": cycle[-2], "path": f"$.nodes.{cycle[-2]}"},
        )
    return {name: nodes[name] for name in ready}


# --- one node -------------------------------------------------------------------------------------


def _node(graph: GraphSpec, name: str, places: Mapping[str, int], depth: int) -> Node:
    spec, path = graph.nodes[name], f"nodes.{name}"
    with _within(path, name):
        _check_node(graph, spec)
    with _within(f"{path}.after", name):
        for one in spec.after:
            _check_name(graph, one)
    with _within(f"{path}.graph", name):
        if spec.graph is not None:
            make_plan(spec.graph, depth=depth + 1)
    parts: dict[str, Template] = {}
    for field, value in (("input", _input_of(spec)), ("each", spec.each), ("key", spec.key)):
        with _within(f"{path}.{field}", name):
            parts[field] = read_template(value)
            elements = spec.each is not None and field != "each"
            _check_known(graph, parts[field].references, elements=elements)
    undo = None
    with _within(f"{path}.compensate", name):
        if spec.compensate is not None:
            undo = _undo(graph, spec)
    with _within(f"{path}.timeout", name):
        timeout = None if spec.timeout is None else parse_duration(spec.timeout)
    with _within(f"{path}.when", name):
        when = compile_where(spec.when) if spec.when else None
        asked = names_in(spec.when) if spec.when else set[str]()
        for one in sorted(asked - {INPUT}):
            _check_name(graph, one)
    referred = {one.root for part in parts.values() for one in part.references} | asked
    needed = {*spec.after, *(referred - RESERVED)}
    return Node(
        name,
        spec,
        tuple(sorted(needed, key=places.__getitem__)),
        parts["input"],
        parts["each"] if spec.each is not None else None,
        when,
        parts["key"] if spec.key else None,
        undo,
        timeout,
    )


def _input_of(spec: NodeSpec) -> Any:
    """The body: by default nothing, or the element of the list."""
    return {"$ref": ITEM} if spec.input is None and spec.each is not None else spec.input


def _undo(graph: GraphSpec, spec: NodeSpec) -> tuple[str, Template]:
    given = spec.compensate
    undo = Compensation(given) if isinstance(given, str) else given
    assert undo is not None, "the caller has looked"
    template = read_template(undo.input)
    # It runs at the end, when every node has ended or will never run.
    _check_known(graph, template.references, elements=spec.each is not None)
    return check_topic(undo.topic), template


def _check_graph(spec: GraphSpec, depth: int) -> None:
    with _within("name"):
        check_token(spec.name, what="name of a graph")
    if not spec.nodes:
        raise BadGraph("the graph has no nodes", context={"path": "$.nodes"})
    if len(spec.nodes) > MAX_NODES:
        raise BadGraph(
            f"the graph has {len(spec.nodes)} nodes, {MAX_NODES} at most",
            hint="make graphs of its parts: a node may be a graph",
        )
    if depth > MAX_DEPTH:
        raise BadGraph(f"graphs lie in graphs deeper than {MAX_DEPTH} levels")
    for name in spec.nodes:
        if not (name.isidentifier() and name.isascii() and len(name) <= MAX_NAME):
            raise _bad(name, "the name of a node is 1 to 64 letters, digits and _, no digit first")
        if name in RESERVED:
            raise _bad(name, "references to the graph's own data begin with this name")
    for name, group in spec.groups.items():
        with _within(f"groups.{name}"):
            check_group(name, group)


def _check_node(graph: GraphSpec, spec: NodeSpec) -> None:
    ways = [way for way in ("topic", "group", "graph") if getattr(spec, way)]
    if len(ways) != 1:
        fact = f"has {' and '.join(ways)}" if ways else "has neither topic, group nor graph"
        raise BadGraph(f"{fact}: one of them says what it is")
    if spec.topic:
        check_topic(spec.topic)
    if spec.key and spec.priority == "high":
        raise BadGraph("has a key and priority high, which would overtake the tasks of its key")
    if spec.group and spec.group not in graph.groups:
        raise BadGraph(f"group {spec.group!r:.80} is not declared", hint=_known(graph.groups))


def _check_known(
    graph: GraphSpec, references: Iterable[Reference], *, elements: bool = False
) -> None:
    for one in references:
        if one.root in _OF_ELEMENTS:
            if not elements:
                raise BadGraph(f"{one.text} is known only where there is a list: each")
        elif one.root != INPUT:
            _check_name(graph, one.root)
            if not one.steps or one.steps[0] not in OF_NODE:
                ways = ", ".join(f"{one.root}.{way}" for way in OF_NODE)
                raise BadGraph(f"{one.text} says nothing of a node", hint=f"use {ways}")


def _check_name(graph: GraphSpec, name: str) -> None:
    if name not in graph.nodes:
        raise BadGraph(f"there is no node {name!r:.80}", hint=_known(graph.nodes))


def _known(names: Iterable[str]) -> str:
    some = sorted(names)
    return f"there is {', '.join(some[:12])}{', …' if len(some) > 12 else ''}" if some else ""


def _bad(node: str, fact: str) -> BadGraph:
    context = {"node": node, "path": f"$.nodes.{node}"}
    return BadGraph(f"node {node!r:.80}: {fact}", context=context)


class _within:  # noqa: N801 - reads as a statement
    """Tells of every error below where in the graph it is."""

    def __init__(self, path: str, node: str = "") -> None:
        self._path = path
        self._node = node

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, PepperError):
            return
        inner = str(error.context.get("path", "$")).removeprefix("$")
        context = {"path": f"$.{self._path}{inner}"}
        if self._node:
            context["node"] = self._node
        field = self._path.removeprefix(f"nodes.{self._node}").removeprefix(".")
        # A graph within names its own node and field.
        field += "" if "node" in error.context else inner
        leads = [f"node {self._node}"] if self._node else []
        leads += [field] if field else []
        raise BadGraph(": ".join([*leads, str(error)]), hint=error.hint, context=context) from None
